//! Check digits and shapes of numbers: GB 11643 (citizen identification number), GB 32100 (unified social credit code),
//! telephone numbers.
//!
//! A number that does not check is never refused for it: the paper may be wrong, the person is still there. What is
//! found here is at most 待核实.

use chrono::{Datelike, NaiveDate};

/// Sex as the 17th digit of a citizen identification number says it: odd is male. The codes are those of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// `male`
    Male,
    /// `female`
    Female,
}

impl Sex {
    /// The choice's code in the form.
    pub fn code(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }
}

/// What a citizen identification number says of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdFacts {
    /// Digits 7 to 14.
    pub birth_date: NaiveDate,
    /// Digit 17.
    pub sex: Sex,
}

/// What is doubtful about a number. [`Doubt::code`] is a message key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Not the number of characters it should have.
    Length {
        /// What it should have.
        expected: usize,
        /// What it has.
        found: usize,
    },
    /// A character that cannot stand there.
    Characters,
    /// The date of birth in it does not exist or lies after `today`.
    Date,
    /// The last character does not follow from the others.
    CheckDigit,
}

impl Doubt {
    /// The message key that says it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length { .. } => "problem-number-length",
            Self::Characters => "problem-number-characters",
            Self::Date => "problem-number-date",
            Self::CheckDigit => "problem-number-check",
        }
    }
}

/// `text` without blanks and in upper case: the form in which numbers are compared and searched.
pub fn normal(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect()
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

/// The check character of the first 17 digits of a citizen identification number: ISO 7064 MOD 11-2.
/// `None` if they are not 17 digits.
pub fn id_check_character(first: &str) -> Option<char> {
    let digits = digits(first).filter(|digits| digits.len() == 17)?;
    // MOD 11-2 as a pure system: running product with radix 2, the check value makes the whole congruent to 1.
    let rest = digits.iter().fold(0, |sum, digit| (sum + digit) * 2 % 11);
    match (12 - rest) % 11 {
        10 => Some('X'),
        value => char::from_digit(value, 10),
    }
}

/// What an 18-character citizen identification number says of its holder, whether or not its check digit fits.
/// `None` if it has another shape or no such day exists.
pub fn id_facts(number: &str) -> Option<IdFacts> {
    let number = normal(number);
    if number.chars().count() != 18 {
        return None;
    }
    let digits = digits(number.get(..17)?)?;
    let value = |from: usize, to: usize| Some(digits.get(from..to)?.iter().fold(0, |sum, digit| sum * 10 + digit));
    let birth_date = NaiveDate::from_ymd_opt(i32::try_from(value(6, 10)?).ok()?, value(10, 12)?, value(12, 14)?)?;
    let sex = if value(16, 17)? % 2 == 1 { Sex::Male } else { Sex::Female };
    Some(IdFacts { birth_date, sex })
}

/// What is doubtful about a citizen identification number (GB 11643-1999), if anything. Whether its date lies in the
/// future is not asked: there is no clock here.
pub fn id_number(number: &str) -> Option<Doubt> {
    let number = normal(number);
    let found = number.chars().count();
    if found != 18 {
        return Some(Doubt::Length { expected: 18, found });
    }
    let Some((first, last)) = number.char_indices().nth(17).map(|(at, _)| number.split_at(at)) else {
        return Some(Doubt::Characters);
    };
    let Some(check) = id_check_character(first) else { return Some(Doubt::Characters) };
    if !last.chars().all(|c| c.is_ascii_digit() || c == 'X') {
        return Some(Doubt::Characters);
    }
    match id_facts(&number) {
        None => Some(Doubt::Date),
        Some(facts) if facts.birth_date.year() < 1850 => Some(Doubt::Date),
        Some(_) if !last.starts_with(check) => Some(Doubt::CheckDigit),
        Some(_) => None,
    }
}

/// The characters of a unified social credit code, each at its value (GB 32100-2015, table 2).
const CREDIT: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/// The check character of the first 17 characters of a unified social credit code: weights 3^i mod 31.
/// `None` if they are not 17 characters of its alphabet.
pub fn credit_check_character(first: &str) -> Option<char> {
    let values: Vec<usize> =
        first.chars().map(|c| CREDIT.chars().position(|known| known == c)).collect::<Option<_>>()?;
    if values.len() != 17 {
        return None;
    }
    let (sum, _) = values.iter().fold((0, 1), |(sum, weight), value| (sum + value * weight, weight * 3 % 31));
    CREDIT.chars().nth((31 - sum % 31) % 31)
}

/// What is doubtful about a unified social credit code (GB 32100-2015), if anything.
pub fn credit_code(code: &str) -> Option<Doubt> {
    let code = normal(code);
    let found = code.chars().count();
    if found != 18 {
        return Some(Doubt::Length { expected: 18, found });
    }
    let first: String = code.chars().take(17).collect();
    match (credit_check_character(&first), code.chars().last()) {
        (Some(check), Some(last)) if check == last => None,
        (Some(_), Some(last)) if CREDIT.contains(last) => Some(Doubt::CheckDigit),
        _ => Some(Doubt::Characters),
    }
}

/// Telephone numbers: `None` if it can be one.
///
/// A number that begins with 1 (after +86 or 0086, if there) is a mobile one and has 11 digits, unless it is a service
/// number of 3 or 5 (110, 12345); any other has 3 to 16.
pub fn phone(number: &str) -> Option<Doubt> {
    if !number.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '+' | '(' | ')' | '#' | '*')) {
        return Some(Doubt::Characters);
    }
    let number = phone_digits(number);
    let found = number.len();
    // 110, 119, 120, 12345, 10086. Not 139: that is a mobile number somebody stopped typing.
    let service = ["10", "11", "12"].iter().any(|start| number.starts_with(start));
    let short_service_number = service && (found == 3 || found == 5);
    if number.starts_with('1') && !short_service_number {
        return (found != 11).then_some(Doubt::Length { expected: 11, found });
    }
    if (3..=16).contains(&found) { None } else { Some(Doubt::Length { expected: 8, found }) }
}

/// The digits of a telephone number without the country's prefix: how numbers are compared and searched.
pub fn phone_digits(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let international = number.trim_start().starts_with('+');
    let rest = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86").filter(|_| international));
    rest.map_or(digits.clone(), str::to_owned)
}

/// Whole years from `birth` to `today`; `None` while that lies before it.
pub fn age(birth: NaiveDate, today: NaiveDate) -> Option<u32> {
    today.years_since(birth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_checks() {
        // GB 11643-1999, annex A: 11010519491231002X and 440524188001010014.
        assert_eq!(id_number("11010519491231002X"), None);
        assert_eq!(id_number("11010519491231002x"), None);
        assert_eq!(id_number("440524188001010014"), None);
        let facts = id_facts("11010519491231002X").unwrap();
        assert_eq!((facts.birth_date.to_string().as_str(), facts.sex), ("1949-12-31", Sex::Female));
        assert_eq!(id_facts("440524188001010014").unwrap().sex, Sex::Male);
    }

    #[test]
    fn a_mobile_number_cut_short_is_no_service_number() {
        for whole in ["110", "12345", "10086", "95588", "13912345678", "+86 139 1234 5678", "0943-5521234"] {
            assert_eq!(phone(whole), None, "{whole}");
        }
        assert_eq!(phone("139"), Some(Doubt::Length { expected: 11, found: 3 }));
        assert_eq!(phone("13912"), Some(Doubt::Length { expected: 11, found: 5 }));
    }

    #[test]
    fn what_is_wrong_with_an_id_number_is_told_apart() {
        assert_eq!(id_number("110105194912310021"), Some(Doubt::CheckDigit));
        assert_eq!(id_number("1101051949123100"), Some(Doubt::Length { expected: 18, found: 16 }));
        assert_eq!(id_number("11010519490231002X"), Some(Doubt::Date));
        assert_eq!(id_number("1101051949123100XX"), Some(Doubt::Characters));
        assert_eq!(id_number("身份证号码一二三四五六七八九十一二三"), Some(Doubt::Characters));
        assert_eq!(id_facts("身份证号码一二三四五六七八九十一二三"), None);
        // The holder's facts are read even if the last digit is wrong: that is what 待核实 shows.
        assert_eq!(id_facts("110105194912310021").unwrap().sex, Sex::Female);
    }

    #[test]
    fn credit_codes_check() {
        // 91350100M000100Y43 is the worked example of GB 32100-2015, annex A.
        assert_eq!(credit_code("91350100M000100Y43"), None);
        assert_eq!(credit_code("91350100m000100y43"), None);
        assert_eq!(credit_code("91350100M000100Y44"), Some(Doubt::CheckDigit));
        assert_eq!(credit_code("91350100I000100Y43"), Some(Doubt::Characters));
        assert_eq!(credit_code("9135"), Some(Doubt::Length { expected: 18, found: 4 }));
        assert_eq!(credit_code("社会信用代码一二三四五六七八九十一二"), Some(Doubt::Characters));
    }

    #[test]
    fn telephone_numbers() {
        for good in ["13912345678", "+86 139-1234-5678", "0943-5521234", "(0943)5521234", "110", "12345", "5521234"] {
            assert_eq!(phone(good), None, "{good}");
        }
        assert_eq!(phone("1391234567"), Some(Doubt::Length { expected: 11, found: 10 }));
        assert_eq!(phone("没有"), Some(Doubt::Characters));
        assert_eq!(phone(""), Some(Doubt::Length { expected: 8, found: 0 }));
        assert_eq!(phone_digits("+86 139-1234-5678"), "13912345678");
        assert_eq!(phone_digits("8612345"), "8612345");
    }
}
