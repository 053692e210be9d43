//! Arithmetic of constants, as Python does it. What is not exact within 128 bits, or not finite, is none.

use crate::python::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideDown,
    Remainder,
    Power,
}

#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

/// What an operator makes of two values: numbers, or texts to be joined.
pub(super) fn combined(left: Value, operator: Operator, right: Value) -> Option<Value> {
    match (left, right) {
        (Value::Text(mut left), Value::Text(right)) if operator == Operator::Add => {
            left.push_str(&right);
            Some(Value::Text(left))
        }
        (left, right) => match (Number::of(&left)?, Number::of(&right)?) {
            (Number::Int(left), Number::Int(right)) => of_ints(left, operator, right),
            (left, right) => of_floats(left.float()?, operator, right.float()?),
        }
        .and_then(Number::value),
    }
}

/// `-value`.
pub(super) fn negated(value: Value) -> Option<Value> {
    let Value::Number(number) = unchanged(value)? else { return None };
    Some(Value::Number(match number.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{number}"),
    }))
}

/// `+value`.
pub(super) fn unchanged(value: Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value),
        Value::Bool(_) => Number::of(&value)?.value(),
        _ => None,
    }
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(is_true) => Some(Self::Int(i128::from(*is_true))),
            Value::Number(text) if text.contains(['.', 'e', 'E']) => text.parse().ok().map(Self::Float),
            Value::Number(text) => text.parse().ok().map(Self::Int),
            _ => None,
        }
    }

    fn float(self) -> Option<f64> {
        match self {
            // By way of its digits it is rounded as Python rounds it.
            Self::Int(int) => int.to_string().parse().ok(),
            Self::Float(float) => Some(float),
        }
    }

    fn value(self) -> Option<Value> {
        match self {
            Self::Int(int) => Some(Value::Number(int.to_string())),
            Self::Float(float) => float.is_finite().then(|| Value::Number(format!("{float:?}"))),
        }
    }
}

fn of_ints(left: i128, operator: Operator, right: i128) -> Option<Number> {
    let int = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::DivideDown => {
            let quotient = left.checked_div(right)?;
            let is_below = left % right != 0 && (left < 0) != (right < 0);
            quotient.checked_sub(i128::from(is_below))
        }
        Operator::Remainder => {
            let rest = left.checked_rem(right)?;
            Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
        }
        Operator::Power if right >= 0 => left.checked_pow(u32::try_from(right).ok()?),
        Operator::Divide | Operator::Power => {
            let is_exact = |int: i128| int.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS;
            if !is_exact(left) || !is_exact(right) {
                return None;
            }
            return of_floats(Number::Int(left).float()?, operator, Number::Int(right).float()?);
        }
    };
    int.map(Number::Int)
}

fn of_floats(left: f64, operator: Operator, right: f64) -> Option<Number> {
    let divides = matches!(operator, Operator::Divide | Operator::DivideDown | Operator::Remainder);
    if divides && right == 0.0 {
        return None;
    }
    Some(Number::Float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::DivideDown => divided_down(left, right).0,
        Operator::Remainder => divided_down(left, right).1,
        Operator::Power => left.powf(right),
    }))
}

/// The quotient rounded down, and the remainder, which has the divisor's sign.
fn divided_down(left: f64, right: f64) -> (f64, f64) {
    let rest = left % right;
    let quotient = (left - rest) / right;
    let (quotient, rest) =
        if rest != 0.0 && (rest < 0.0) != (right < 0.0) { (quotient - 1.0, rest + right) } else { (quotient, rest) };
    // Zeros have the signs that Python gives them.
    let rest = if rest == 0.0 { 0.0_f64.copysign(right) } else { rest };
    let quotient = if quotient == 0.0 { 0.0_f64.copysign(left / right) } else { quotient };
    // It is whole but for an error of rounding.
    let whole = quotient.floor();
    (if quotient - whole > 0.5 { whole + 1.0 } else { whole }, rest)
}
