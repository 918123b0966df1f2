//! Sums in values: `size=(4k+4)*2`, `numjobs=$ncpus*2`.
//!
//! Owns the grammar: `+ - * / %`, parentheses, numbers with the suffixes of sizes. It knows no
//! option. Called by `value` for a value in parentheses and by `job_file` after a keyword.

use super::value;

/// The value of `text`, a whole number that is not negative.
pub(crate) fn evaluate(text: &str, kb_base: u64) -> Result<u64, String> {
    let mut reader = Reader { text, rest: text, kb_base };
    let value = reader.sum()?;
    if !reader.rest.trim_start().is_empty() {
        return Err(reader.wrong());
    }
    u64::try_from(value).map_err(|_| format!("'{text}' is {value}, which is negative or too large"))
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    kb_base: u64,
}

impl Reader<'_> {
    fn wrong(&self) -> String {
        format!("'{}' is not a sum; write e.g. (4k+512)*2", self.text)
    }

    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next().filter(|first| wanted.contains(first))?;
        self.rest = &rest[first.len_utf8()..];
        Some(first)
    }

    fn sum(&mut self) -> Result<i128, String> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            let other = self.product()?;
            let sum = if sign == '+' { value.checked_add(other) } else { value.checked_sub(other) };
            value = sum.ok_or_else(|| self.wrong())?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i128, String> {
        let mut value = self.factor()?;
        while let Some(sign) = self.take(&['*', '/', '%']) {
            let other = self.factor()?;
            let result = match sign {
                '*' => value.checked_mul(other),
                '/' => value.checked_div(other),
                _ => value.checked_rem(other),
            };
            value = result.ok_or_else(|| format!("'{}' cannot be computed", self.text))?;
        }
        Ok(value)
    }

    fn factor(&mut self) -> Result<i128, String> {
        if self.take(&['-']).is_some() {
            return Ok(-self.factor()?);
        }
        if self.take(&['(']).is_some() {
            let value = self.sum()?;
            return self.take(&[')']).map(|_| value).ok_or_else(|| self.wrong());
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(end);
        self.rest = rest;
        value::size_bytes(number, self.kb_base).map(i128::from).map_err(|_| self.wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_follow_the_usual_precedence() {
        for (text, value) in [
            ("(1+2*3)", 7),
            ("(1+2)*3", 9),
            ("(4k+512)*2", 9216),
            ("(10-2-3)", 5),
            ("(7/2)", 3),
            ("(7%4)", 3),
            ("( 1 + 1 )", 2),
            ("4*2", 8),
            ("(-1+3)", 2),
        ] {
            assert_eq!(evaluate(text, 1024), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_sum_is_refused() {
        for text in ["(", "()", "(1", "(1)2", "(1/0)", "(1-2)", "(a)", "1+", "(99999999999p*9)"] {
            assert!(evaluate(text, 1024).is_err(), "{text}");
        }
    }
}
