//! Type names: Postgres' and SQLite's spelling to a logical type, and back.

use std::borrow::Cow;
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
        let micros = first.is_none_or(|places| places >= 6);
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
            // citext differs in comparing, not in what it holds.
            "text" | "citext" => Self::Text(None),
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
            // Fewer than six places of a second stay with the name: see `limited`.
            "time without time zone" | "time" if micros => Self::Time,
            "time with time zone" | "timetz" if micros => Self::TimeTz,
            "timestamp without time zone" | "timestamp" if micros => Self::Timestamp,
            "timestamp with time zone" | "timestamptz" if micros => Self::TimestampTz,
            "interval" if args.is_empty() => Self::Interval,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            _ => Self::Other(name.into()),
        }
    }

    /// From a SQLite column's declared type; empty is [`Logical::Untyped`]. SQLite holds 64-bit
    /// integers and 64-bit floats whatever their names, and does not pad char(n).
    pub fn from_sqlite(declared: &str) -> Self {
        let name = declared.trim();
        if let Some(element) = name.strip_suffix("[]") {
            return Self::Array(Box::new(Self::from_sqlite(element)));
        }
        let (base, args) = split(name);
        let length = || args.first().and_then(|length| u32::try_from(*length).ok());
        let base = base.to_ascii_lowercase();
        match base.as_str() {
            "" => Self::Untyped,
            "smallint" | "int2" | "tinyint" | "smallint unsigned" => Self::Int2,
            "int4" => Self::Int4,
            "boolean" | "bool" => Self::Bool,
            "numeric" | "decimal" => match args[..] {
                [p] => limits(p, 0, name),
                [p, s] => limits(p, s, name),
                _ => Self::Numeric(None),
            },
            "float4" => Self::Float4,
            "real" | "double" | "double precision" | "float" | "float8" => Self::Float8,
            "text" | "clob" | "string" | "enum" | "citext" => Self::Text(None),
            "varchar" | "character varying" | "char" | "character" | "nchar" | "nvarchar"
            | "varying character" | "bpchar" => Self::Text(length()),
            "blob" | "bytea" => Self::Bytes,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timetz" | "time with time zone" => Self::TimeTz,
            "datetime" | "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::TimestampTz,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            // What is left follows SQLite's own affinity rules where these name a type.
            other if other.starts_with("enum(") => Self::Text(None),
            other
                if other.split([' ', '(']).any(|word| {
                    matches!(word, "int" | "integer" | "bigint" | "mediumint" | "int8")
                }) =>
            {
                Self::Int8
            }
            other => Self::Other(other.into()),
        }
    }

    /// The type without the places of a second that it is limited to: `timestamp(3)` is read, compared and
    /// converted as `timestamp`. Every other type is itself.
    pub fn plain(&self) -> Cow<'_, Self> {
        self.limited()
            .map_or(Cow::Borrowed(self), |(plain, _)| Cow::Owned(plain))
    }

    /// A type of time that keeps fewer than six places of a second, and how many.
    pub(super) fn limited(&self) -> Option<(Self, u8)> {
        let Self::Other(name) = self else {
            return None;
        };
        let (base, args) = split(name);
        let places = args
            .first()
            .and_then(|places| u8::try_from(*places).ok())
            .filter(|places| *places < 6)?;
        match Self::from_pg(&base, None) {
            plain @ (Self::Time | Self::TimeTz | Self::Timestamp | Self::TimestampTz) => {
                Some((plain, places))
            }
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_names_come_back() {
        for name in [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "numeric",
            "numeric(12,2)",
            "numeric(4,-2)",
            "real",
            "double precision",
            "text",
            "character varying",
            "character varying(50)",
            "character(3)",
            "bytea",
            "date",
            "time without time zone",
            "time with time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "interval",
            "uuid",
            "json",
            "jsonb",
            "integer[]",
            "character varying(5)[]",
            "inet",
            "tsvector",
            "timestamp(3) without time zone",
            "interval day to second",
            "\"char\"",
            "bit(3)",
            "money",
        ] {
            let back = if name == "character varying" {
                "text"
            } else {
                name
            };
            assert_eq!(Logical::from_pg(name, None).to_string(), back);
        }
        let labels: Arc<[String]> = ["a".to_owned()].into();
        assert_eq!(
            Logical::from_pg("mood", Some(labels.clone())),
            Logical::Enum("mood".into(), labels.clone())
        );
        assert_eq!(
            Logical::from_pg("mood[]", Some(labels.clone())),
            Logical::Array(Box::new(Logical::Enum("mood".into(), labels)))
        );
        assert_eq!(
            Logical::from_pg("timestamp(6) with time zone", None),
            Logical::TimestampTz
        );
    }

    #[test]
    fn places_of_a_second_are_known() {
        let limited = Logical::from_pg("timestamp(3) without time zone", None);
        assert_eq!(limited.limited(), Some((Logical::Timestamp, 3)));
        assert_eq!(limited.plain().as_ref(), &Logical::Timestamp);
        assert_eq!(Logical::Other("inet".into()).limited(), None);
    }

    #[test]
    fn sqlite_names_are_understood() {
        for (declared, logical) in [
            ("", Logical::Untyped),
            ("INTEGER", Logical::Int8),
            ("int", Logical::Int8),
            ("INTEGER UNSIGNED", Logical::Int8),
            ("UNSIGNED BIG INT", Logical::Int8),
            ("int(11)", Logical::Int8),
            ("SmallInt", Logical::Int2),
            ("NUMERIC(12, 2)", Logical::Numeric(Some((12, 2)))),
            ("decimal(5)", Logical::Numeric(Some((5, 0)))),
            ("VARCHAR(50)", Logical::Text(Some(50))),
            ("char(3)", Logical::Text(Some(3))),
            ("datetime(6)", Logical::Timestamp),
            ("TIMESTAMP WITH TIME ZONE", Logical::TimestampTz),
            ("ENUM('a','b')", Logical::Text(None)),
            ("text[]", Logical::Array(Box::new(Logical::Text(None)))),
            ("inet", Logical::Other("inet".into())),
            ("point", Logical::Other("point".into())),
        ] {
            assert_eq!(Logical::from_sqlite(declared), logical, "{declared}");
        }
    }
}
