//! 16-bit floats.

/// Returns the half float nearest to `value`: out of range becomes the largest finite one, not a number becomes 0.
pub(crate) fn from_f32(value: f32) -> u16 {
    if value.is_nan() {
        return 0;
    }
    let bits = value.clamp(-65504.0, 65504.0).to_bits();
    let sign = (bits >> 16) & 0x8000;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127;
    let mantissa = bits & 0x007f_ffff;
    let magnitude = if exponent < -25 {
        0
    } else if exponent < -14 {
        // Subnormal: the implicit one becomes explicit and moves right.
        let shift = (-exponent - 1) as u32;
        round_half_to_even(mantissa | 0x0080_0000, shift)
    } else {
        round_half_to_even((((exponent + 15) as u32) << 23) | mantissa, 13)
    };
    (sign | magnitude) as u16
}

fn round_half_to_even(value: u32, shift: u32) -> u32 {
    let kept = value >> shift;
    let rest = value & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    kept + u32::from(rest > half || (rest == half && kept & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::from_f32;

    fn to_f32(h: u16) -> f32 {
        let sign = if h & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (e, m) = ((h >> 10) & 31, f32::from(h & 1023));
        sign * if e == 0 { m * 2f32.powi(-24) } else { (1.0 + m / 1024.0) * 2f32.powi(i32::from(e) - 15) }
    }

    #[test]
    fn every_finite_half_float_survives() {
        for h in (0..0x7c00u16).chain(0x8000..0xfc00) {
            assert_eq!(from_f32(to_f32(h)), h, "{}", to_f32(h));
        }
    }

    #[test]
    fn between_two_the_nearer_is_taken_and_strange_numbers_stay_finite() {
        assert_eq!(from_f32(1.0 + 0.4 / 1024.0), from_f32(1.0));
        assert_eq!(from_f32(1.0 + 0.6 / 1024.0), from_f32(1.0) + 1);
        assert_eq!(from_f32(f32::INFINITY), from_f32(65504.0));
        assert_eq!(from_f32(f32::NAN), 0);
        assert_eq!(from_f32(1e-30), 0);
        assert_eq!(from_f32(2f32.powi(-25) * 1.01), 1, "the smallest subnormal is nearer than 0");
    }
}
