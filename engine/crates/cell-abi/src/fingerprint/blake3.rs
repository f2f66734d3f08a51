//! BLAKE3 (hash mode) as a `const fn`: the crate `blake3` has none.
//!
//! Words are `u64` that hold 32 bits, sums are masked and rotations written out: in `const` evaluation each call
//! costs many times an addition, and this form needs a quarter of the time of `wrapping_add` and `rotate_right`.

const IV: [u64; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];
const CHUNK_START: u64 = 1;
const CHUNK_END: u64 = 2;
const PARENT: u64 = 4;
const ROOT: u64 = 8;
const BLOCK: usize = 64;
const CHUNK: usize = 1024;
/// The most unfinished subtrees: one for each bit of a number of chunks.
const DEPTH: usize = 54;

/// A chaining value.
type Cv = [u64; 8];

/// Returns the hash of `data`.
pub(super) const fn hash(data: &[u8]) -> [u8; 32] {
    let chunks = if data.is_empty() { 1 } else { data.len().div_ceil(CHUNK) };
    let (mut stack, mut depth) = ([[0; 8]; DEPTH], 0);
    let mut n = 0;
    loop {
        let mut cv = chunk(data, n, if chunks == 1 { ROOT } else { 0 });
        n += 1;
        if n == chunks {
            while depth > 0 {
                depth -= 1;
                cv = parent(&stack[depth], &cv, if depth == 0 { ROOT } else { 0 });
            }
            return bytes(&cv);
        }
        // As many subtrees are complete now as `n` has trailing zeros.
        let mut complete = n;
        while complete & 1 == 0 {
            depth -= 1;
            cv = parent(&stack[depth], &cv, 0);
            complete >>= 1;
        }
        stack[depth] = cv;
        depth += 1;
    }
}

const fn chunk(data: &[u8], index: usize, root: u64) -> Cv {
    let (mut at, mut cv, mut flags) = (index * CHUNK, IV, CHUNK_START);
    let end = if data.len() - at < CHUNK { data.len() } else { at + CHUNK };
    loop {
        let len = if end - at < BLOCK { end - at } else { BLOCK };
        let last = at + len == end;
        if last {
            flags |= CHUNK_END | root;
        }
        cv = compress(&cv, &words(data, at, len), index as u64, len as u64, flags);
        if last {
            return cv;
        }
        at += len;
        flags = 0;
    }
}

const fn parent(left: &Cv, right: &Cv, root: u64) -> Cv {
    let [a, b, c, d, e, f, g, h] = *left;
    let [i, j, k, l, m, n, o, p] = *right;
    compress(&IV, &[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], 0, BLOCK as u64, PARENT | root)
}

const fn words(data: &[u8], at: usize, len: usize) -> [u64; 16] {
    let (mut out, mut i) = ([0; 16], 0);
    while i < len {
        out[i / 4] |= (data[at + i] as u64) << (8 * (i % 4));
        i += 1;
    }
    out
}

const fn bytes(cv: &Cv) -> [u8; 32] {
    let (mut out, mut i) = ([0; 32], 0);
    while i < 32 {
        out[i] = (cv[i / 4] >> (8 * (i % 4))) as u8;
        i += 1;
    }
    out
}

const fn compress(cv: &Cv, block: &[u64; 16], counter: u64, len: u64, flags: u64) -> Cv {
    const LOW: u64 = 0xffff_ffff;
    let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = *block;
    let [mut v0, mut v1, mut v2, mut v3, mut v4, mut v5, mut v6, mut v7] = *cv;
    let [mut v8, mut v9, mut v10, mut v11, ..] = IV;
    let (mut v12, mut v13, mut v14, mut v15) = (counter & LOW, counter >> 32, len, flags);
    macro_rules! g {
        ($a:ident $b:ident $c:ident $d:ident $x:ident $y:ident) => {
            $a = ($a + $b + $x) & LOW;
            $d ^= $a;
            $d = ($d >> 16 | $d << 16) & LOW;
            $c = ($c + $d) & LOW;
            $b ^= $c;
            $b = ($b >> 12 | $b << 20) & LOW;
            $a = ($a + $b + $y) & LOW;
            $d ^= $a;
            $d = ($d >> 8 | $d << 24) & LOW;
            $c = ($c + $d) & LOW;
            $b ^= $c;
            $b = ($b >> 7 | $b << 25) & LOW;
        };
    }
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident
         $i:ident $j:ident $k:ident $l:ident $m:ident $n:ident $o:ident $p:ident) => {
            g!(v0 v4 v8 v12 $a $b);
            g!(v1 v5 v9 v13 $c $d);
            g!(v2 v6 v10 v14 $e $f);
            g!(v3 v7 v11 v15 $g $h);
            g!(v0 v5 v10 v15 $i $j);
            g!(v1 v6 v11 v12 $k $l);
            g!(v2 v7 v8 v13 $m $n);
            g!(v3 v4 v9 v14 $o $p);
        };
    }
    round!(m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15);
    round!(m2 m6 m3 m10 m7 m0 m4 m13 m1 m11 m12 m5 m9 m14 m15 m8);
    round!(m3 m4 m10 m12 m13 m2 m7 m14 m6 m5 m9 m0 m11 m15 m8 m1);
    round!(m10 m7 m12 m9 m14 m3 m13 m15 m4 m0 m11 m2 m5 m8 m1 m6);
    round!(m12 m13 m9 m11 m15 m10 m14 m8 m7 m2 m5 m3 m0 m1 m6 m4);
    round!(m9 m14 m11 m5 m8 m12 m15 m1 m13 m3 m0 m10 m2 m6 m4 m7);
    round!(m11 m15 m5 m0 m1 m9 m8 m6 m14 m10 m2 m12 m3 m4 m7 m13);
    [v0 ^ v8, v1 ^ v9, v2 ^ v10, v3 ^ v11, v4 ^ v12, v5 ^ v13, v6 ^ v14, v7 ^ v15]
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// The input of the official test vectors.
    fn input(len: usize) -> Vec<u8> {
        (0..251u8).cycle().take(len).collect()
    }

    #[test]
    fn it_is_blake3_at_every_length_of_the_official_vectors() {
        let edges = (0..=16).chain([63, 64, 65, 127, 128, 129, 1023]);
        let chunks = (1..=8).flat_map(|n| [n * 1024 - 1, n * 1024, n * 1024 + 1]);
        for len in edges.chain(chunks).chain([16_384, 31_744, 102_400]) {
            assert_eq!(hash(&input(len)), *blake3::hash(&input(len)).as_bytes(), "{len} bytes");
        }
    }

    #[test]
    fn const_evaluation_gives_the_published_hashes() {
        const NOTHING: [u8; 32] = hash(b"");
        const ONE: [u8; 32] = hash(&[0]);
        let hex = |h: [u8; 32]| h.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(NOTHING), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(hex(ONE), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
    }
}
