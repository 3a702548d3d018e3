//! Amounts as Kubernetes writes them, as far as two of them can be told to be equal.
//! The API server writes amounts in its own form, so equal ones may look different.

/// What an amount looks like.
pub const PATTERN: &str = "^[0-9]+([.][0-9]*)?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,2})?$";

/// An amount in thousandths of a thousandth of a thousandth; `None` if it is none, or too large for this.
#[must_use]
pub fn nanos(text: &str) -> Option<i128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let decimals = u32::try_from(fraction.len()).ok()?;
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, divisor) = scale(unit)?;
    let scaled = mantissa.checked_mul(factor)?;
    Some(scaled / divisor.checked_mul(10_i128.checked_pow(decimals)?)?)
}

/// What a unit multiplies by, in nanos, and divides by.
fn scale(unit: &str) -> Option<(i128, i128)> {
    const NANO: i128 = 1_000_000_000;
    let decimal = |power: u32| Some((NANO.checked_mul(1000_i128.checked_pow(power)?)?, 1));
    let binary = |power: u32| Some((NANO.checked_mul(1024_i128.checked_pow(power)?)?, 1));
    match unit {
        "n" => Some((1, 1)),
        "u" => Some((1_000, 1)),
        "m" => Some((1_000_000, 1)),
        "" => decimal(0),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let power: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { Some((NANO, ten)) } else { Some((NANO.checked_mul(ten)?, 1)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        for (a, b) in [("1000m", "1"), ("0.5", "500m"), ("1Gi", "1024Mi"), ("1.5Gi", "1536Mi"), ("1e3", "1k")]
        {
            assert_eq!(nanos(a), nanos(b), "{a} {b}");
            assert!(nanos(a).is_some());
        }
        assert_ne!(nanos("1M"), nanos("1Mi"));
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for odd in ["", "m", "1x", "--1", "1e", "."] {
            assert_eq!(nanos(odd), None, "{odd}");
        }
    }
}
