//! `faltung convolve`: numbers in, numbers out.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use num_complex::Complex;

use super::{Failure, print};
use crate::dsp::clip::{ConvolveError, Element, Method, convolve_with};
use crate::dsp::mode::Mode;

/// Convolve two lists of numbers, as numpy.convolve does.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Numbers such as `1,5`, a file of numbers, or `-` for the standard input
    #[arg(value_name = "A", allow_hyphen_values = true)]
    a: String,

    /// Numbers such as `3,4,2`, a file of numbers, or `-` for the standard input
    #[arg(value_name = "V", allow_hyphen_values = true)]
    v: String,

    /// Part of the result: `full` (N+M-1 numbers), `same` (max(N, M)) or `valid`
    /// (max - min + 1)
    #[arg(long, default_value_t, value_parser = str::parse::<Mode>)]
    mode: Mode,

    /// How it is computed: `auto` (the cheaper), `direct` (the sum as it is defined) or `fft`
    #[arg(long, default_value = "auto", value_parser = method)]
    method: Method,
}

const EXAMPLES: &str = "\
Numbers are separated by commas, blanks or line ends. Integers stay exact in 64 bits and wrap
around beyond, as numpy's do; one number with a point or an exponent makes all of them floats,
one such as 1+2j makes all of them complex. A file called like a number is found as ./NAME.

Examples:
  faltung convolve 1,5 3,4,2                 3 19 22 10
  faltung convolve 1,5 3,4,2 --mode valid    19 22
  faltung convolve 1,5 3,4,2 --mode same     3 19 22
  faltung convolve -1,5 0.5                  -0.5 2.5
  seq 1000 | faltung convolve - taps.txt";

fn method(text: &str) -> Result<Method, String> {
    match text {
        "auto" => Ok(Method::Auto),
        "direct" => Ok(Method::Direct),
        "fft" => Ok(Method::Fft),
        _ => Err(format!(
            "unknown method `{text}`; there are auto, direct and fft"
        )),
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.a == "-" && args.v == "-" {
        let text = "the standard input cannot be both A and V; name a file for one of them";
        return Err(Failure::usage(text));
    }
    let (a, v) = (numbers(&args.a)?, numbers(&args.v)?);
    let (mode, method) = (args.mode, args.method);
    let result = match (a, v) {
        (Numbers::Integer(a), Numbers::Integer(v)) => Numbers::Integer(both(&a, &v, mode, method)?),
        (a @ Numbers::Complex(_), v) | (a, v @ Numbers::Complex(_)) => {
            Numbers::Complex(both(&a.complex(), &v.complex(), mode, method)?)
        }
        (a, v) => Numbers::Float(both(&a.floats(), &v.floats(), mode, method)?),
    };
    print(|out| write!(out, "{result}"))
}

fn both<E: Element>(a: &[E], v: &[E], mode: Mode, method: Method) -> Result<Vec<E>, Failure> {
    convolve_with(a, v, mode, method).map_err(|error| match error {
        ConvolveError::EmptyA | ConvolveError::EmptyV => {
            Failure::because(format!("{error}; give at least one number"))
        }
        ConvolveError::FftOnIntegers => Failure::because(
            "--method fft: integers are convolved exactly, and an FFT would round; leave it out, or write a point (1.0) for floats",
        ),
    })
}

/// Numbers of the narrowest type that holds all of them.
#[derive(Debug, Clone, PartialEq)]
enum Numbers {
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Complex(Vec<Complex<f64>>),
}

impl Numbers {
    fn floats(self) -> Vec<f64> {
        match self {
            Self::Integer(values) => values.into_iter().map(|value| value as f64).collect(),
            Self::Float(values) => values,
            Self::Complex(values) => values.into_iter().map(|value| value.re).collect(),
        }
    }

    fn complex(self) -> Vec<Complex<f64>> {
        match self {
            Self::Complex(values) => values,
            real => real.floats().into_iter().map(Complex::from).collect(),
        }
    }
}

/// On one line, in the shortest form that reads back as the same value.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn line<T>(
            f: &mut fmt::Formatter<'_>,
            values: &[T],
            write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
        ) -> fmt::Result {
            for (k, value) in values.iter().enumerate() {
                f.write_str(if k == 0 { "" } else { " " })?;
                write(f, value)?;
            }
            f.write_str("\n")
        }
        match self {
            Self::Integer(values) => line(f, values, |f, v| write!(f, "{v}")),
            Self::Float(values) => line(f, values, |f, v| write!(f, "{v:?}")),
            Self::Complex(values) => line(f, values, |f, v| write!(f, "{:?}{:+?}j", v.re, v.im)),
        }
    }
}

/// The numbers that an argument means.
fn numbers(argument: &str) -> Result<Numbers, Failure> {
    if argument == "-" {
        let mut text = String::new();
        let read = io::stdin().read_to_string(&mut text);
        read.map_err(|error| Failure::because(format!("standard input: {error}")))?;
        return parse(&text).map_err(|why| Failure::because(format!("standard input: {why}")));
    }
    let why = match parse(argument) {
        Ok(numbers) => return Ok(numbers),
        Err(why) => why,
    };
    if !Path::new(argument).exists() {
        return Err(Failure::because(format!(
            "{argument}: {why}, and no file is called so"
        )));
    }
    match fs::read_to_string(argument) {
        Ok(text) => parse(&text).map_err(|why| Failure::because(format!("{argument}: {why}"))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::because(format!(
            "{argument}: not a text; write numbers, separated by blanks or commas"
        ))),
        Err(error) => Err(Failure::because(format!("{argument}: {error}"))),
    }
}

/// Reads a list of numbers; the error names what is none.
fn parse(text: &str) -> Result<Numbers, String> {
    let words = || {
        text.split(|c: char| c == ',' || c.is_whitespace())
            .filter(|w| !w.is_empty())
    };
    if let Some(integers) = words().map(integer).collect::<Option<Vec<_>>>() {
        return Ok(Numbers::Integer(integers));
    }
    if let Some(floats) = words().map(float).collect::<Option<Vec<_>>>() {
        // One too large for 64 bits would lose digits unasked.
        return match words().find(|w| integer(w).is_none() && digits(w)) {
            Some(word) => Err(format!(
                "`{word}` does not fit 64 bits; write `{word}.0` for a float"
            )),
            None => Ok(Numbers::Float(floats)),
        };
    }
    words()
        .map(|word| complex(word).ok_or_else(|| format!("`{word}` is no number")))
        .collect::<Result<_, _>>()
        .map(Numbers::Complex)
}

fn integer(word: &str) -> Option<i64> {
    word.parse().ok()
}

fn float(word: &str) -> Option<f64> {
    word.parse().ok()
}

fn digits(word: &str) -> bool {
    word.trim_start_matches(['+', '-'])
        .bytes()
        .all(|b| b.is_ascii_digit())
}

/// `1+2j`, `2j`, `-j` or a real number.
fn complex(word: &str) -> Option<Complex<f64>> {
    let Some(body) = word.strip_suffix(['j', 'i']) else {
        return float(word).map(Complex::from);
    };
    // The sign that parts the two is the last one that belongs to no exponent.
    let bytes = body.as_bytes();
    let split = (1..body.len())
        .rev()
        .find(|&k| matches!(bytes[k], b'+' | b'-') && !matches!(bytes[k - 1], b'e' | b'E'));
    let (re, im) = body.split_at(split.unwrap_or(0));
    let re = if re.is_empty() { 0.0 } else { float(re)? };
    let im = match im {
        "" | "+" => 1.0,
        "-" => -1.0,
        im => float(im)?,
    };
    Some(Complex::new(re, im))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_integers_until_a_point_or_a_j_comes() {
        assert_eq!(parse("1,-5 +3\n"), Ok(Numbers::Integer(vec![1, -5, 3])));
        assert_eq!(parse("1, 5e0"), Ok(Numbers::Float(vec![1.0, 5.0])));
        let z = |re, im| Complex::new(re, im);
        let expected = vec![z(1.0, 0.0), z(0.0, 2.0), z(-1.5e-3, -1.0), z(1.0, 1e-5)];
        assert_eq!(
            parse("1 2j -1.5e-3-j 1+1e-5j"),
            Ok(Numbers::Complex(expected))
        );
        assert_eq!(parse(" , \n"), Ok(Numbers::Integer(vec![])));
        assert!(parse("1,x").unwrap_err().contains("`x`"));
        assert!(
            parse("9223372036854775808")
                .unwrap_err()
                .contains("64 bits")
        );
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let floats = Numbers::Float(vec![0.1 + 0.2, 1e300, -0.0, 3.0]);
        assert_eq!(parse(&floats.to_string()), Ok(floats));
        let complex = Numbers::Complex(vec![Complex::new(-0.5, -1e-7), Complex::new(3.0, 0.25)]);
        assert_eq!(parse(&complex.to_string()), Ok(complex));
        assert_eq!(Numbers::Integer(vec![3, -19]).to_string(), "3 -19\n");
    }
}
