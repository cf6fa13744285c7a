//! Type names: Postgres' and SQLite's spelling to a logical type, and back.

use std::fmt;
use std::sync::Arc;

use super::Logical;

impl Logical {
    /// From Postgres' `format_type()`; enum types come with their labels in order.
    pub fn from_pg(format_type: &str, enum_labels: Option<Arc<[String]>>) -> Self {
        let name = format_type.trim();
        if let Some(element) = name.strip_suffix("[]") {
            return Self::Array(Box::new(Self::from_pg(element, enum_labels)));
        }
        if let Some(labels) = enum_labels {
            return Self::Enum(name.into(), labels);
        }
        let (base, args) = split(name);
        let first = args.first().copied();
        match base.as_str() {
            "boolean" | "bool" => Self::Bool,
            "smallint" | "int2" => Self::Int2,
            "integer" | "int" | "int4" => Self::Int4,
            "bigint" | "int8" => Self::Int8,
            "numeric" | "decimal" => match args[..] {
                [p] => limits(p, 0, name),
                [p, s] => limits(p, s, name),
                _ => Self::Numeric(None),
            },
            "real" | "float4" => Self::Float4,
            "double precision" | "float8" => Self::Float8,
            "text" => Self::Text(None),
            "character varying" | "varchar" => {
                Self::Text(first.and_then(|n| u32::try_from(n).ok()))
            }
            "character" | "char" | "bpchar" => match first {
                Some(n) => Self::Char(u32::try_from(n).unwrap_or(1)),
                None if base == "bpchar" => Self::Other("bpchar".into()),
                None => Self::Char(1),
            },
            "bytea" => Self::Bytes,
            "date" => Self::Date,
            "time without time zone" | "time" if args.is_empty() => Self::Time,
            "time with time zone" | "timetz" if args.is_empty() => Self::TimeTz,
            "timestamp without time zone" | "timestamp" if args.is_empty() => Self::Timestamp,
            "timestamp with time zone" | "timestamptz" if args.is_empty() => Self::TimestampTz,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            _ => Self::Other(name.into()),
        }
    }

    /// From a SQLite column's declared type; empty is [`Logical::Untyped`].
    pub fn from_sqlite(declared: &str) -> Self {
        let (base, args) = split(declared);
        match base.to_ascii_lowercase().as_str() {
            "" => Self::Untyped,
            "integer" | "int" | "bigint" | "int8" => Self::Int8,
            "smallint" | "int2" => Self::Int2,
            "boolean" | "bool" => Self::Bool,
            "numeric" | "decimal" => match args[..] {
                [p] => limits(p, 0, declared),
                [p, s] => limits(p, s, declared),
                _ => Self::Numeric(None),
            },
            "text" => Self::Text(None),
            _ => Self::Other(declared.trim().into()),
        }
    }
}

fn limits(precision: i64, scale: i64, name: &str) -> Logical {
    match (u16::try_from(precision), i16::try_from(scale)) {
        (Ok(p), Ok(s)) => Logical::Numeric(Some((p, s))),
        _ => Logical::Other(name.into()),
    }
}

/// The name without its arguments, and the arguments: `timestamp(3) without time zone` gives
/// `timestamp without time zone` and 3.
fn split(name: &str) -> (String, Vec<i64>) {
    let whole = || {
        (
            name.split_whitespace().collect::<Vec<_>>().join(" "),
            Vec::new(),
        )
    };
    let (Some(open), Some(close)) = (name.find('('), name.rfind(')')) else {
        return whole();
    };
    if close < open {
        return whole();
    }
    let args: Result<Vec<i64>, _> = name[open + 1..close]
        .split(',')
        .map(|a| a.trim().parse())
        .collect();
    match args {
        Ok(args) => {
            let outside = format!("{} {}", &name[..open], &name[close + 1..]);
            (
                outside.split_whitespace().collect::<Vec<_>>().join(" "),
                args,
            )
        }
        Err(_) => whole(),
    }
}

impl fmt::Display for Logical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("boolean"),
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some((p, s))) => write!(f, "numeric({p},{s})"),
            Self::Float4 => f.write_str("real"),
            Self::Float8 => f.write_str("double precision"),
            Self::Text(None) => f.write_str("text"),
            Self::Text(Some(n)) => write!(f, "character varying({n})"),
            Self::Char(n) => write!(f, "character({n})"),
            Self::Bytes => f.write_str("bytea"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time without time zone"),
            Self::TimeTz => f.write_str("time with time zone"),
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::TimestampTz => f.write_str("timestamp with time zone"),
            Self::Interval => f.write_str("interval"),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
            Self::Jsonb => f.write_str("jsonb"),
            Self::Enum(name, _) | Self::Other(name) => f.write_str(name),
            Self::Array(element) => write!(f, "{element}[]"),
            Self::Untyped => f.write_str("untyped"),
        }
    }
}
