//! How likely it is that a person chose a run of letters and digits: by the pairs of letters that words are made of.
//!
//! Owns one table and the sum over it. Knows no words: a name of a product or of a place has the pairs of its language
//! as well. What a low sum means is for [`super::detect`] to say.

/// How usual each pair of letters is, a row per first letter, from `0` (sixteen times rarer than if chance had strung them
/// together, or more) over `4` (as frequent) to `8`: logarithms to the base 2. Counted over 28,000 English words and parts of identifiers
/// in documentation and sources of libraries, and over German, French, Spanish and Italian words of shops and accounts.
const PAIRS: [&[u8; 26]; 26] = [
    b"25662351503757050767442341",
    b"52325200420520410442400020",
    b"62436336405532730546421020",
    b"53247321610422520442422020",
    b"63675542412657354876353630",
    b"42335510600421510443400020",
    b"31116124400324320442400000",
    b"50026000500221500323301020",
    b"54655550102658740566150305",
    b"20002000100000200010200000",
    b"31025000400102110132100000",
    b"62247210702612630244421050",
    b"63226110501341550142400010",
    b"62666472513324530267431030",
    b"34652441313557450755645210",
    b"61326223501521550645411030",
    b"00000000000000000000400000",
    b"62448340603454630565432040",
    b"51527235603433551367513042",
    b"62437316701432640665512251",
    b"44434330400546240555000100",
    b"40106100400110310011000000",
    b"40114003400103310331000000",
    b"31313201300010140014000200",
    b"11102000200223240133001000",
    b"20005000200000100000000001",
];

/// As usual as chance.
const CHANCE: i32 = 4;

/// What a change between letters and digits costs, and one from a small letter to a capital: words have few of both.
const CHANGE: i32 = 2;

/// The sum over all pairs of neighbours: above 0 for what is made of words, below for what chance has made, and the further from
/// it the longer the run is.
pub(super) fn usualness(run: &str) -> i32 {
    let bytes = run.as_bytes();
    let mut sum = 0;
    for (at, pair) in bytes.windows(2).enumerate() {
        let &[first, second] = pair else { continue };
        let next = bytes.get(at + 2).copied().unwrap_or(b'-');
        sum += step(first, second, next);
    }
    sum
}

fn step(first: u8, second: u8, next: u8) -> i32 {
    if !first.is_ascii_alphanumeric() || !second.is_ascii_alphanumeric() {
        return 0;
    }
    if first.is_ascii_digit() || second.is_ascii_digit() {
        return if first.is_ascii_digit() == second.is_ascii_digit() { 0 } else { -CHANGE };
    }
    // `camelCase`, and the end of `HTTPServer`'s first word.
    let is_hump = second.is_ascii_uppercase() && (first.is_ascii_lowercase() || next.is_ascii_lowercase());
    if is_hump { -CHANGE } else { usual(first, second) }
}

fn usual(first: u8, second: u8) -> i32 {
    let index = |letter: u8| usize::from(letter.to_ascii_lowercase().wrapping_sub(b'a'));
    let score = PAIRS.get(index(first)).and_then(|row| row.get(index(second)));
    score.map_or(0, |score| i32::from(score.wrapping_sub(b'0')) - CHANCE)
}
