//! The part of the language that SQL has, too, as SQLite calculates it.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};
use usher_engine::syntax::{Arithmetic, Computed, Expr, Function, Name, Question, Test, ValueExpr};
use usher_engine::value::{Number, Value};
use usher_tests::calculations::COLUMNS;

/// Beyond this a product of a few may be infinite, which SQLite keeps.
const FLOAT_MAX: f64 = 1e19;

/// An expression as SQL, with its parameters. None: SQLite has no such expression, or it means something else there.
pub fn sql(expr: &ValueExpr) -> Option<(String, Vec<Cell>)> {
    let mut cells = Vec::new();
    Some((of_value(expr, &mut cells)?, cells))
}

/// The same for a condition.
pub fn sql_of(condition: &Expr) -> Option<(String, Vec<Cell>)> {
    let mut cells = Vec::new();
    Some((of_condition(condition, &mut cells)?, cells))
}

fn of_value(expr: &ValueExpr, cells: &mut Vec<Cell>) -> Option<String> {
    Some(match expr {
        ValueExpr::Null => "NULL".to_owned(),
        ValueExpr::Constant(constant) => of_constant(constant, cells)?,
        ValueExpr::Name(Name(name)) => {
            let is_shared = name.starts_with('n') || name.starts_with('t') || name == "b1";
            let is_list = name == "numbers" || name == "texts";
            (is_shared && !is_list).then(|| name.clone())?
        }
        ValueExpr::Negative(part) => format!("(-{})", of_value(part, cells)?),
        ValueExpr::Arithmetic(first, rest) => {
            let are_texts = is_text(first) && rest.iter().all(|(_, part)| is_text(part));
            let mut left = of_value(first, cells)?;
            for (sign, right) in rest {
                let right = of_value(right, cells)?;
                left = match sign {
                    Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply => {
                        format!("({left} {} {right})", sign.as_str())
                    }
                    Arithmetic::Divide => format!("(CAST({left} AS REAL) / {right})"),
                    Arithmetic::Join if are_texts => format!("({left} || {right})"),
                    // It cuts floats, and writes numbers in its own way.
                    Arithmetic::Remainder | Arithmetic::Join => return None,
                };
            }
            left
        }
        ValueExpr::Call(function, arguments) => {
            let are_texts = arguments.iter().all(is_text);
            let all: Option<Vec<String>> = arguments.iter().map(|part| of_value(part, cells)).collect();
            let all = all?;
            let rows =
                all.iter().map(|one| format!("SELECT {one} AS v")).collect::<Vec<_>>().join(" UNION ALL ");
            match function {
                Function::Abs => format!("abs({})", all[0]),
                Function::Length => format!("length({})", all[0]),
                Function::Lower => format!("lower({})", all[0]),
                Function::Upper => format!("upper({})", all[0]),
                Function::Coalesce => format!("coalesce({}, NULL)", all.join(", ")),
                Function::Least => format!("(SELECT min(v) FROM ({rows}))"),
                Function::Greatest => format!("(SELECT max(v) FROM ({rows}))"),
                Function::Concat if are_texts => {
                    let parts: Vec<String> = all.iter().map(|one| format!("coalesce({one}, '')")).collect();
                    format!("({})", parts.join(" || "))
                }
                _ => return None,
            }
        }
        ValueExpr::Case(branches, otherwise) => {
            let mut text = "(CASE".to_owned();
            for (when, then) in branches {
                let when = of_condition(when, cells)?;
                text += &format!(" WHEN {when} THEN {}", of_value(then, cells)?);
            }
            ended(text, otherwise.as_deref(), cells)?
        }
        ValueExpr::Switch(of, branches, otherwise) => {
            let mut text = format!("(CASE {}", of_value(of, cells)?);
            for (when, then) in branches {
                let when = of_value(when, cells)?;
                text += &format!(" WHEN {when} THEN {}", of_value(then, cells)?);
            }
            ended(text, otherwise.as_deref(), cells)?
        }
        ValueExpr::Condition(condition) => of_condition(condition, cells)?,
        ValueExpr::Now | ValueExpr::Interval(..) => return None,
    })
}

fn ended(text: String, otherwise: Option<&ValueExpr>, cells: &mut Vec<Cell>) -> Option<String> {
    Some(match otherwise {
        Some(otherwise) => format!("{text} ELSE {} END)", of_value(otherwise, cells)?),
        None => format!("{text} END)"),
    })
}

/// True for what is a text, and nothing else that `||` joins.
fn is_text(expr: &ValueExpr) -> bool {
    match expr {
        ValueExpr::Null | ValueExpr::Constant(Value::String(_)) => true,
        ValueExpr::Name(Name(name)) => name == "t1" || name == "t2",
        ValueExpr::Arithmetic(_, rest) => rest.iter().all(|(sign, _)| *sign == Arithmetic::Join),
        ValueExpr::Call(Function::Concat | Function::Lower | Function::Upper, _) => true,
        ValueExpr::Call(Function::Coalesce | Function::Least | Function::Greatest, all) => {
            all.iter().all(is_text)
        }
        ValueExpr::Case(branches, _) => branches.iter().all(|(_, then)| is_text(then)),
        ValueExpr::Switch(_, branches, _) => branches.iter().all(|(_, then)| is_text(then)),
        _ => false,
    }
}

fn of_constant(constant: &Value, cells: &mut Vec<Cell>) -> Option<String> {
    cells.push(cell(constant)?);
    Some(format!("?{}", cells.len()))
}

/// A value of a column or a constant; None for one that SQLite takes for something else.
pub fn cell(value: &Value) -> Option<Cell> {
    match value {
        Value::Number(Number::Integer(number)) => Some(Cell::Integer(*number)),
        Value::Number(Number::Float(number)) if number.abs() < FLOAT_MAX => Some(Cell::Real(*number)),
        // Its functions know the letters of ASCII.
        Value::String(text) if text.is_ascii() => Some(Cell::Text(text.clone())),
        Value::Boolean(truth) => Some(Cell::Integer(i64::from(*truth))),
        _ => None,
    }
}

/// A calculated value, as SQLite would return it.
pub fn result(value: &Value) -> Cell {
    match value {
        Value::Number(Number::Integer(number)) => Cell::Integer(*number),
        Value::Number(Number::Float(number)) => Cell::Real(*number),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Boolean(truth) => Cell::Integer(i64::from(*truth)),
        other => panic!("{other:?} has no counterpart"),
    }
}

fn of_condition(expr: &Expr, cells: &mut Vec<Cell>) -> Option<String> {
    let mut joined = |parts: &[Expr], word: &str| -> Option<String> {
        let parts: Option<Vec<String>> = parts.iter().map(|part| of_condition(part, cells)).collect();
        Some(format!("({})", parts?.join(word)))
    };
    Some(match expr {
        Expr::Constant(truth) => u8::from(*truth).to_string(),
        Expr::And(parts) => joined(parts, " AND ")?,
        Expr::Or(parts) => joined(parts, " OR ")?,
        Expr::Not(part) => format!("(NOT {})", of_condition(part, cells)?),
        Expr::Segment(_) => return None,
        Expr::Test { name, test, negated } => {
            let left = of_value(&ValueExpr::Name(name.clone()), cells)?;
            negation(*negated, of_test(&left, test, cells)?)
        }
        Expr::Computed(computed) => {
            let Computed { left, question, negated } = &**computed;
            let left = of_value(left, cells)?;
            negation(*negated, of_question(&left, question, cells)?)
        }
    })
}

fn negation(negated: bool, text: String) -> String {
    if negated { format!("(NOT {text})") } else { text }
}

fn of_question(left: &str, question: &Question, cells: &mut Vec<Cell>) -> Option<String> {
    Some(match question {
        Question::Test(test) => of_test(left, test, cells)?,
        Question::Compare(comparison, right) => {
            format!("({left} {} {})", comparison.as_str(), of_value(right, cells)?)
        }
        Question::Between(low, high) => {
            format!("({left} BETWEEN {} AND {})", of_value(low, cells)?, of_value(high, cells)?)
        }
        Question::In(values) => {
            let values: Option<Vec<String>> = values.iter().map(|value| of_value(value, cells)).collect();
            format!("({left} IN ({}))", values?.join(", "))
        }
        Question::AnyOf(_) => return None,
    })
}

fn of_test(left: &str, test: &Test, cells: &mut Vec<Cell>) -> Option<String> {
    let mut of = |text: &str| of_constant(&Value::string(text), cells);
    Some(match test {
        Test::Equal(value) => format!("({left} = {})", of_constant(value, cells)?),
        Test::Order(comparison, value) => {
            format!("({left} {} {})", comparison.as_str(), of_constant(value, cells)?)
        }
        Test::Between(low, high) => {
            format!("({left} BETWEEN {} AND {})", of_constant(low, cells)?, of_constant(high, cells)?)
        }
        Test::In(values) => {
            let values: Option<Vec<String>> = values.iter().map(|value| of_constant(value, cells)).collect();
            format!("({left} IN ({}))", values?.join(", "))
        }
        Test::Like(pattern) => format!("({left} LIKE {})", of(pattern)?),
        Test::StartsWith(text) => {
            let text = of(text)?;
            format!("(substr({left}, 1, length({text})) = {text})")
        }
        Test::Contains(Value::String(text)) => format!("(instr({left}, {}) > 0)", of(text)?),
        Test::Null => format!("({left} IS NULL)"),
        _ => return None,
    })
}

/// A table of one row.
pub fn stored(cells: &[Option<Value>]) -> Option<Connection> {
    let database = Connection::open_in_memory().expect("a database");
    let names = COLUMNS.map(|(name, _)| name);
    let cells: Option<Vec<Cell>> =
        cells.iter().map(|value| value.as_ref().map_or(Some(Cell::Null), cell)).collect();
    let schema = format!("PRAGMA case_sensitive_like = ON; CREATE TABLE cells ({})", names.join(", "));
    database.execute_batch(&schema).expect("a table");
    let places = names.map(|_| "?").join(", ");
    database
        .execute(&format!("INSERT INTO cells VALUES ({places})"), params_from_iter(cells?))
        .expect("a row");
    Some(database)
}

/// The value of SQL for the stored row. None: SQLite refuses to calculate it.
pub fn ask(database: &Connection, (sql, cells): &(String, Vec<Cell>)) -> Option<Cell> {
    let mut statement = database.prepare_cached(&format!("SELECT {sql} FROM cells")).expect(sql);
    statement.query_row(params_from_iter(cells.iter()), |row| row.get(0)).ok()
}
