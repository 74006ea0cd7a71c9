//! Numbers that are well formed and belong to nobody: 629999 was never a region (GB/T 2260), and telephone numbers
//! begin with 100, which no operator has.

use super::dice::Dice;

/// A region code that was never assigned.
pub const REGION: &str = "629999";

/// An identity number (GB 11643) of somebody born then; the last digit but one is odd for men.
pub fn id_number(dice: &mut Dice, year: u32, month: u32, day: u32, woman: bool) -> String {
    let order = dice.below(500) * 2 + u32::from(!woman);
    let body = format!("{REGION}{year:04}{month:02}{day:02}{order:03}");
    let check = check_digit(&body);
    body + &check.to_string()
}

/// ISO 7064 MOD 11-2 over seventeen digits.
pub fn check_digit(body: &str) -> char {
    let rest = body.bytes().fold(0_u32, |rest, digit| (rest + u32::from(digit.saturating_sub(b'0'))) * 2 % 11);
    match (12 - rest) % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    }
}

/// Eleven digits of the shape of a mobile number.
pub fn phone(dice: &mut Dice) -> String {
    let prefix = dice.word(&["138", "139", "150", "177", "186", "199"]);
    // The four digits after the prefix name the place of an operator; 0000 is none.
    format!("{prefix}0000{:04}", dice.below(10_000))
}

/// A unified social credit code (GB 32100) with its check character.
pub fn credit_code(dice: &mut Dice) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let mut body = format!("92{REGION}MA");
    while body.len() < 17 {
        let at = usize::try_from(dice.below(31)).unwrap_or_default();
        body.push(LETTERS.get(at).map_or('0', |letter| char::from(*letter)));
    }
    let mut weight = 1;
    let mut sum = 0;
    for letter in body.bytes() {
        sum += LETTERS.iter().position(|known| *known == letter).unwrap_or_default() * weight;
        weight = weight * 3 % 31;
    }
    let check = LETTERS.get((31 - sum % 31) % 31).map_or('0', |letter| char::from(*letter));
    body.push(check);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digits_are_those_of_the_standards() {
        // The example of GB 11643-1999 itself.
        assert_eq!(check_digit("11010519491231002"), 'X');
        let mut dice = Dice::new(1);
        let number = id_number(&mut dice, 1985, 3, 14, true);
        assert_eq!(number.len(), 18);
        assert!(number.starts_with("62999919850314"));
        assert_eq!(credit_code(&mut dice).len(), 18);
    }
}
