//! The time of the day where the user is.
#![expect(unsafe_code, reason = "asks the C library for the local time")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the hour, minute and second of a moment in the system's time zone; `None` for one that no calendar has.
#[must_use]
pub fn local_time(at: SystemTime) -> Option<[u8; 3]> {
    let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: all of its fields are numbers or a pointer that nobody follows: zeros are a valid value.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to values that live for the call.
    let filled = unsafe { libc::localtime_r(&raw const seconds, &raw mut parts) };
    if filled.is_null() {
        return None;
    }
    let part = |n: libc::c_int| u8::try_from(n).ok();
    Some([part(parts.tm_hour)?, part(parts.tm_min)?, part(parts.tm_sec)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_hour_later_is_another_hour_and_the_same_minute() {
        let now = SystemTime::now();
        let [hour, minute, second] = local_time(now).unwrap();
        assert!(hour < 24 && minute < 60 && second <= 60);
        // No time zone changes its offset twice within two days.
        let later = [1, 24, 25].map(|h| local_time(now + Duration::from_secs(h * 3600)).unwrap());
        assert!(later.iter().any(|l| [l[1], l[2]] == [minute, second] && l[0] != hour));
        assert_eq!(local_time(UNIX_EPOCH - Duration::from_secs(1)), None);
    }
}
