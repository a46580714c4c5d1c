//! Lower and upper case, one code point for one.
//!
//! The standard library's tables take 12 KB of wasm each, this one 1.5. And keys are stored as they were normalized: what a
//! character becomes does not change with the standard library.

/// The lower case of a code point: where the full one has several (`İ`), the first, which is the simple one.
pub(crate) fn lowercase(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let code = u32::from(c);
    let after = RUNS.partition_point(|run| run.start <= code);
    let Some(run) = after.checked_sub(1).and_then(|at| RUNS.get(at)) else { return c };
    let (offset, step) = (code.saturating_sub(run.start), u32::from(run.step));
    match (offset.checked_rem(step), offset.checked_div(step)) {
        (Some(0), Some(at)) if at < u32::from(run.count) => {
            code.checked_add_signed(run.to).and_then(char::from_u32).unwrap_or(c)
        }
        _ => c,
    }
}

/// The upper case of a code point; where the full one has several (`ß`), the simple one, which may be itself.
pub(crate) fn uppercase(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let code = u32::from(c);
    if let Some((_, upper)) = ONE_WAY.iter().find(|(lower, _)| u32::from(*lower) == code) {
        return char::from_u32(u32::from(*upper)).unwrap_or(c);
    }
    let of = |run: &Run| {
        let upper = code.checked_add_signed(run.to.checked_neg()?)?;
        let (offset, step) = (upper.checked_sub(run.start)?, u32::from(run.step));
        let is_in = offset.checked_rem(step)? == 0 && offset.checked_div(step)? < u32::from(run.count);
        if is_in { char::from_u32(upper) } else { None }
    };
    RUNS.iter().find_map(of).unwrap_or(c)
}

/// Letters whose upper case has another lower case, or none.
#[rustfmt::skip]
static ONE_WAY: [(u16, u16); 28] = [
    (0x00b5, 0x039c), (0x00df, 0x00df), (0x0131, 0x0049), (0x017f, 0x0053), (0x01c5, 0x01c4), (0x01c8, 0x01c7), (0x01cb, 0x01ca),
    (0x01f2, 0x01f1), (0x0345, 0x0399), (0x03c2, 0x03a3), (0x03d0, 0x0392), (0x03d1, 0x0398), (0x03d5, 0x03a6), (0x03d6, 0x03a0),
    (0x03f0, 0x039a), (0x03f1, 0x03a1), (0x03f5, 0x0395), (0x1c80, 0x0412), (0x1c81, 0x0414), (0x1c82, 0x041e), (0x1c83, 0x0421),
    (0x1c84, 0x0422), (0x1c85, 0x0422), (0x1c86, 0x042a), (0x1c87, 0x0462), (0x1c88, 0xa64a), (0x1e9b, 0x1e60), (0x1fbe, 0x0399),
];

/// Upper case letters at the same distance from each other, and from their lower case.
struct Run {
    start: u32,
    /// From an upper case letter to its lower case.
    to: i32,
    count: u8,
    /// From one upper case letter to the next.
    step: u8,
}

const fn run(start: u32, count: u8, step: u8, to: i32) -> Run {
    Run { start, to, count, step }
}

/// Unicode 17, beyond ASCII; ascending.
static RUNS: [Run; 185] = [
    run(0x00c0, 23, 1, 32),
    run(0x00d8, 7, 1, 32),
    run(0x0100, 24, 2, 1),
    run(0x0130, 1, 1, -199),
    run(0x0132, 3, 2, 1),
    run(0x0139, 8, 2, 1),
    run(0x014a, 23, 2, 1),
    run(0x0178, 1, 1, -121),
    run(0x0179, 3, 2, 1),
    run(0x0181, 1, 1, 210),
    run(0x0182, 2, 2, 1),
    run(0x0186, 1, 1, 206),
    run(0x0187, 1, 1, 1),
    run(0x0189, 2, 1, 205),
    run(0x018b, 1, 1, 1),
    run(0x018e, 1, 1, 79),
    run(0x018f, 1, 1, 202),
    run(0x0190, 1, 1, 203),
    run(0x0191, 1, 1, 1),
    run(0x0193, 1, 1, 205),
    run(0x0194, 1, 1, 207),
    run(0x0196, 1, 1, 211),
    run(0x0197, 1, 1, 209),
    run(0x0198, 1, 1, 1),
    run(0x019c, 1, 1, 211),
    run(0x019d, 1, 1, 213),
    run(0x019f, 1, 1, 214),
    run(0x01a0, 3, 2, 1),
    run(0x01a6, 1, 1, 218),
    run(0x01a7, 1, 1, 1),
    run(0x01a9, 1, 1, 218),
    run(0x01ac, 1, 1, 1),
    run(0x01ae, 1, 1, 218),
    run(0x01af, 1, 1, 1),
    run(0x01b1, 2, 1, 217),
    run(0x01b3, 2, 2, 1),
    run(0x01b7, 1, 1, 219),
    run(0x01b8, 1, 1, 1),
    run(0x01bc, 1, 1, 1),
    run(0x01c4, 1, 1, 2),
    run(0x01c5, 1, 1, 1),
    run(0x01c7, 1, 1, 2),
    run(0x01c8, 1, 1, 1),
    run(0x01ca, 1, 1, 2),
    run(0x01cb, 9, 2, 1),
    run(0x01de, 9, 2, 1),
    run(0x01f1, 1, 1, 2),
    run(0x01f2, 2, 2, 1),
    run(0x01f6, 1, 1, -97),
    run(0x01f7, 1, 1, -56),
    run(0x01f8, 20, 2, 1),
    run(0x0220, 1, 1, -130),
    run(0x0222, 9, 2, 1),
    run(0x023a, 1, 1, 10795),
    run(0x023b, 1, 1, 1),
    run(0x023d, 1, 1, -163),
    run(0x023e, 1, 1, 10792),
    run(0x0241, 1, 1, 1),
    run(0x0243, 1, 1, -195),
    run(0x0244, 1, 1, 69),
    run(0x0245, 1, 1, 71),
    run(0x0246, 5, 2, 1),
    run(0x0370, 2, 2, 1),
    run(0x0376, 1, 1, 1),
    run(0x037f, 1, 1, 116),
    run(0x0386, 1, 1, 38),
    run(0x0388, 3, 1, 37),
    run(0x038c, 1, 1, 64),
    run(0x038e, 2, 1, 63),
    run(0x0391, 17, 1, 32),
    run(0x03a3, 9, 1, 32),
    run(0x03cf, 1, 1, 8),
    run(0x03d8, 12, 2, 1),
    run(0x03f4, 1, 1, -60),
    run(0x03f7, 1, 1, 1),
    run(0x03f9, 1, 1, -7),
    run(0x03fa, 1, 1, 1),
    run(0x03fd, 3, 1, -130),
    run(0x0400, 16, 1, 80),
    run(0x0410, 32, 1, 32),
    run(0x0460, 17, 2, 1),
    run(0x048a, 27, 2, 1),
    run(0x04c0, 1, 1, 15),
    run(0x04c1, 7, 2, 1),
    run(0x04d0, 48, 2, 1),
    run(0x0531, 38, 1, 48),
    run(0x10a0, 38, 1, 7264),
    run(0x10c7, 1, 1, 7264),
    run(0x10cd, 1, 1, 7264),
    run(0x13a0, 80, 1, 38864),
    run(0x13f0, 6, 1, 8),
    run(0x1c89, 1, 1, 1),
    run(0x1c90, 43, 1, -3008),
    run(0x1cbd, 3, 1, -3008),
    run(0x1e00, 75, 2, 1),
    run(0x1e9e, 1, 1, -7615),
    run(0x1ea0, 48, 2, 1),
    run(0x1f08, 8, 1, -8),
    run(0x1f18, 6, 1, -8),
    run(0x1f28, 8, 1, -8),
    run(0x1f38, 8, 1, -8),
    run(0x1f48, 6, 1, -8),
    run(0x1f59, 4, 2, -8),
    run(0x1f68, 8, 1, -8),
    run(0x1f88, 8, 1, -8),
    run(0x1f98, 8, 1, -8),
    run(0x1fa8, 8, 1, -8),
    run(0x1fb8, 2, 1, -8),
    run(0x1fba, 2, 1, -74),
    run(0x1fbc, 1, 1, -9),
    run(0x1fc8, 4, 1, -86),
    run(0x1fcc, 1, 1, -9),
    run(0x1fd8, 2, 1, -8),
    run(0x1fda, 2, 1, -100),
    run(0x1fe8, 2, 1, -8),
    run(0x1fea, 2, 1, -112),
    run(0x1fec, 1, 1, -7),
    run(0x1ff8, 2, 1, -128),
    run(0x1ffa, 2, 1, -126),
    run(0x1ffc, 1, 1, -9),
    run(0x2126, 1, 1, -7517),
    run(0x212a, 1, 1, -8383),
    run(0x212b, 1, 1, -8262),
    run(0x2132, 1, 1, 28),
    run(0x2160, 16, 1, 16),
    run(0x2183, 1, 1, 1),
    run(0x24b6, 26, 1, 26),
    run(0x2c00, 48, 1, 48),
    run(0x2c60, 1, 1, 1),
    run(0x2c62, 1, 1, -10743),
    run(0x2c63, 1, 1, -3814),
    run(0x2c64, 1, 1, -10727),
    run(0x2c67, 3, 2, 1),
    run(0x2c6d, 1, 1, -10780),
    run(0x2c6e, 1, 1, -10749),
    run(0x2c6f, 1, 1, -10783),
    run(0x2c70, 1, 1, -10782),
    run(0x2c72, 1, 1, 1),
    run(0x2c75, 1, 1, 1),
    run(0x2c7e, 2, 1, -10815),
    run(0x2c80, 50, 2, 1),
    run(0x2ceb, 2, 2, 1),
    run(0x2cf2, 1, 1, 1),
    run(0xa640, 23, 2, 1),
    run(0xa680, 14, 2, 1),
    run(0xa722, 7, 2, 1),
    run(0xa732, 31, 2, 1),
    run(0xa779, 2, 2, 1),
    run(0xa77d, 1, 1, -35332),
    run(0xa77e, 5, 2, 1),
    run(0xa78b, 1, 1, 1),
    run(0xa78d, 1, 1, -42280),
    run(0xa790, 2, 2, 1),
    run(0xa796, 10, 2, 1),
    run(0xa7aa, 1, 1, -42308),
    run(0xa7ab, 1, 1, -42319),
    run(0xa7ac, 1, 1, -42315),
    run(0xa7ad, 1, 1, -42305),
    run(0xa7ae, 1, 1, -42308),
    run(0xa7b0, 1, 1, -42258),
    run(0xa7b1, 1, 1, -42282),
    run(0xa7b2, 1, 1, -42261),
    run(0xa7b3, 1, 1, 928),
    run(0xa7b4, 8, 2, 1),
    run(0xa7c4, 1, 1, -48),
    run(0xa7c5, 1, 1, -42307),
    run(0xa7c6, 1, 1, -35384),
    run(0xa7c7, 2, 2, 1),
    run(0xa7cb, 1, 1, -42343),
    run(0xa7cc, 8, 2, 1),
    run(0xa7dc, 1, 1, -42561),
    run(0xa7f5, 1, 1, 1),
    run(0xff21, 26, 1, 32),
    run(0x10400, 40, 1, 40),
    run(0x104b0, 36, 1, 40),
    run(0x10570, 11, 1, 39),
    run(0x1057c, 15, 1, 39),
    run(0x1058c, 7, 1, 39),
    run(0x10594, 2, 1, 39),
    run(0x10c80, 51, 1, 64),
    run(0x10d50, 22, 1, 32),
    run(0x118a0, 32, 1, 32),
    run(0x16e40, 32, 1, 32),
    run(0x16ea0, 25, 1, 27),
    run(0x1e900, 34, 1, 34),
];

#[cfg(test)]
mod tests {
    use super::{lowercase, uppercase};

    /// Letters that Unicode adds later may be missing here, and none may differ.
    #[test]
    fn it_is_the_standard_one_for_every_code_point() {
        for c in '\0'..=char::MAX {
            assert_eq!(Some(lowercase(c)), c.to_lowercase().next(), "{c:?}");
        }
    }

    #[test]
    fn upper_case_is_the_standard_one_where_that_is_one_code_point() {
        let mut wrong = std::vec::Vec::new();
        for c in '\0'..=char::MAX {
            let standard: std::vec::Vec<char> = c.to_uppercase().collect();
            if let [standard] = standard.as_slice()
                && uppercase(c) != *standard
            {
                wrong.push(format!("({:#06x}, {:#06x})", u32::from(c), u32::from(*standard)));
            }
        }
        assert_eq!(wrong, [""; 0]);
        assert_eq!(['ß', 'ŉ', 'ᾳ', 'İ'].map(uppercase), ['ß', 'ŉ', 'ᾼ', 'İ']);
    }
}
