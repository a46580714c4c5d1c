//! Criteria as text against SQLite: 100,000 random expressions over random rows with nulls, true, false or unknown.
//!
//! Each expression is one small tree, spelled once for Usher and once for SQLite by what stands below, and by nothing of
//! the engine's. SQLite is given every literal as a parameter, so that only one side reads quotes and digits.
//! `USHER_CASES=10` tries ten times as many. A difference is made as small as it goes before it is shown, with the number
//! of its batch; what is found becomes a case below `vectors/criteria/`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};
use usher_engine::value::{DataType, Number, Value};
use usher_engine::{Criterion, Truth, syntax};
use usher_tests::random::{Random, cases};

const EXPRESSIONS: usize = 100_000;
/// Expressions of one statement; SQLite allows 2,000 columns and 32,766 parameters.
const BATCH: usize = 100;
/// Rows that each expression of a batch is asked about.
const ROWS: usize = 8;
/// Maximum share of criteria that one side cannot express, and that are left out.
const SKIPPED_SHARE: f64 = 0.01;

const COLUMNS: [(&str, DataType); 7] = [
    ("city", DataType::String),
    ("Order", DataType::String),
    ("path", DataType::String),
    ("age", DataType::Number),
    ("cart.total", DataType::Number),
    ("in", DataType::Number),
    ("vip", DataType::Boolean),
];

type Row = [Option<Literal>; COLUMNS.len()];

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

/// An expression as both sides know it.
#[derive(Clone, Debug)]
enum Tree {
    Constant(bool),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Compare(usize, Sign, Literal),
    In(usize, bool, Vec<Literal>),
    Between(usize, bool, Literal, Literal),
    Like(usize, bool, String),
    Part(usize, bool, Part, String),
    Null(usize, bool),
}

#[derive(Clone, Copy, Debug)]
enum Sign {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Starts,
    Ends,
    Contains,
}

#[test]
fn criteria_are_as_true_as_sqlite_says() {
    let batches = match std::env::var("USHER_BATCH") {
        Ok(batch) => vec![batch.parse().expect("the number of a batch")],
        Err(_) => (0..cases(EXPRESSIONS).div_ceil(BATCH) as u64).collect(),
    };
    let next = AtomicUsize::new(0);
    let lane = || {
        let (database, mut tally) = (database(), Tally::default());
        while let Some(batch) = batches.get(next.fetch_add(1, Relaxed)) {
            compare(&database, *batch, &mut tally);
        }
        tally
    };
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            // A thread has said what it found when it panicked.
            tally.add(lane.join().unwrap_or_else(|_| panic!("Usher and SQLite differ, see above")));
        }
    });
    let Tally { answers, skipped } = tally;
    let all = batches.len() * BATCH;
    let left_out: usize = skipped.values().sum();
    println!("{} expressions on {ROWS} rows each: {answers:?}; skipped {skipped:?}", all - left_out);
    assert!((left_out as f64) < SKIPPED_SHARE * all as f64 + 5.0, "too many are skipped: {skipped:?}");
    assert!(answers.len() == 3 && answers.values().all(|count| *count > ROWS), "{answers:?}");
}

/// The number of each answer, and of the criteria left out by reason.
#[derive(Default)]
struct Tally {
    answers: BTreeMap<&'static str, usize>,
    skipped: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        for (mine, others) in [(&mut self.answers, other.answers), (&mut self.skipped, other.skipped)] {
            others.into_iter().for_each(|(name, count)| *mine.entry(name).or_default() += count);
        }
    }
}

/// New rows and new expressions, each on each.
fn compare(database: &Connection, batch: u64, tally: &mut Tally) {
    let mut random = Random::new(batch);
    let rows: Vec<Row> = (0..ROWS).map(|_| row(&mut random)).collect();
    store(database, &rows);
    let mut asked: Vec<(Tree, Spelled)> = Vec::new();
    for _ in 0..BATCH {
        let tree = tree(&mut random, 3);
        match spelled(&tree, &mut random) {
            Ok(spelled) => asked.push((tree, spelled)),
            Err(reason) => *tally.skipped.entry(reason).or_default() += 1,
        }
    }
    let found = sqlite(database, asked.iter().map(|(_, spelled)| spelled));
    for (index, (tree, spelled)) in asked.iter().enumerate() {
        let criterion = compile(&spelled.text).unwrap_or_else(|why| panic!("batch {batch}: {why}"));
        for (row, found) in rows.iter().zip(&found) {
            let decided = usher(&criterion, row);
            *tally.answers.entry(decided).or_default() += 1;
            if decided != found[index] {
                store(database, std::slice::from_ref(row));
                let (text, usher, sqlite) = smallest(database, tree.clone(), row);
                panic!(
                    "{text}\n  on   {row:?}\n  usher {usher}, sqlite {sqlite}\n  in   {}\n  \
                     again: USHER_BATCH={batch} cargo test -p usher-tests --test sqlite",
                    spelled.text
                );
            }
        }
    }
}

fn database() -> Connection {
    let database = Connection::open_in_memory().expect("a database");
    let columns: Vec<String> = (0..COLUMNS.len()).map(|index| format!("c{index}")).collect();
    let columns = columns.join(", ");
    // Columns without a type: nothing is converted on the way in or in comparisons.
    let schema = format!("PRAGMA case_sensitive_like = ON; CREATE TABLE t (id, {columns})");
    database.execute_batch(&schema).expect("a table");
    database
}

/// Greedily puts parts in the place of the whole, as long as the two sides differ.
fn smallest(database: &Connection, mut tree: Tree, row: &Row) -> (String, &'static str, &'static str) {
    // Spellings are random as well, so each part is tried in several.
    let differs = |tree: &Tree| {
        (0..20).find_map(|seed| {
            let spelled = spelled(tree, &mut Random::new(seed)).ok()?;
            let usher = usher(&compile(&spelled.text).ok()?, row);
            let sqlite = sqlite(database, [&spelled])[0][0];
            (usher != sqlite).then_some((spelled.text, usher, sqlite))
        })
    };
    let mut shown = differs(&tree).unwrap_or(("(only in the spelling below)".to_owned(), "?", "?"));
    while let Some((part, difference)) =
        parts(&tree).into_iter().find_map(|part| Some((part.clone(), differs(&part)?)))
    {
        (tree, shown) = (part, difference);
    }
    shown
}

fn parts(tree: &Tree) -> Vec<Tree> {
    let fewer = |parts: &[Tree], of: fn(Vec<Tree>) -> Tree| {
        let without = |index: usize| {
            let mut rest = parts.to_vec();
            rest.remove(index);
            of(rest)
        };
        let shorter = if parts.len() > 2 { (0..parts.len()).map(without).collect() } else { vec![] };
        [parts.to_vec(), shorter].concat()
    };
    match tree {
        Tree::Not(inner) => vec![(**inner).clone()],
        Tree::And(parts) => fewer(parts, Tree::And),
        Tree::Or(parts) => fewer(parts, Tree::Or),
        Tree::In(column, negated, values) if values.len() > 1 => {
            values.iter().map(|value| Tree::In(*column, *negated, vec![value.clone()])).collect()
        }
        _ => vec![],
    }
}

// ---- Usher

fn compile(text: &str) -> Result<Criterion, String> {
    let expr = syntax::parse(text).map_err(|error| format!("{text}\n  {error}"))?;
    let fields = COLUMNS.map(|(name, data_type)| (name, Some(data_type)));
    Criterion::compile(&expr, &fields).map_err(|findings| format!("{text}\n  {findings:?}"))
}

fn usher(criterion: &Criterion, row: &Row) -> &'static str {
    let values: Vec<Option<Value>> = row.iter().map(|cell| cell.as_ref().map(value)).collect();
    let column = |name: &str| COLUMNS.iter().position(|(known, _)| *known == name).expect("a column");
    match criterion.evaluate(&criterion.row(|name| values[column(name)].as_ref()), 0) {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "unknown",
    }
}

fn value(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => Value::string(text.as_str()),
        Literal::Integer(integer) => Value::from(*integer),
        Literal::Float(float) => Value::Number(Number::float(*float).expect("finite")),
        Literal::Boolean(truth) => Value::from(*truth),
    }
}

// ---- SQLite

fn store(database: &Connection, rows: &[Row]) {
    database.execute("DELETE FROM t", []).expect("an empty table");
    let places = vec!["?"; COLUMNS.len() + 1].join(", ");
    let mut insert =
        database.prepare_cached(&format!("INSERT INTO t VALUES ({places})")).expect("a statement");
    for (id, row) in rows.iter().enumerate() {
        let cells = row.iter().map(|value| value.as_ref().map_or(Cell::Null, cell));
        insert.execute(params_from_iter([Cell::Integer(id as i64)].into_iter().chain(cells))).expect("a row");
    }
}

/// Each row's answers, in the order of the expressions.
fn sqlite<'a>(database: &Connection, asked: impl IntoIterator<Item = &'a Spelled>) -> Vec<Vec<&'static str>> {
    let (mut columns, mut cells) = (Vec::new(), Vec::new());
    for spelled in asked {
        // `#` stands for the parameters of one expression; here they become those of the statement.
        columns.push(spelled.sql.split('#').enumerate().fold(String::new(), |sql, (index, piece)| {
            if index == 0 {
                return piece.to_owned();
            }
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let number: usize = piece[..digits].parse().expect("a number");
            format!("{sql}?{}{}", cells.len() + number + 1, &piece[digits..])
        }));
        cells.extend(spelled.cells.iter().cloned());
    }
    let mut statement =
        database.prepare(&format!("SELECT {} FROM t ORDER BY id", columns.join(", "))).expect("SQL");
    let answers = statement.query_map(params_from_iter(cells), |row| {
        let answer = |index| match row.get::<_, Option<i64>>(index) {
            Ok(None) => "unknown",
            Ok(Some(0)) => "false",
            Ok(Some(1)) => "true",
            other => panic!("{other:?}"),
        };
        Ok((0..columns.len()).map(answer).collect())
    });
    answers.expect("answers").map(|row| row.expect("a row")).collect()
}

fn cell(literal: &Literal) -> Cell {
    match literal {
        Literal::Text(text) => Cell::Text(text.clone()),
        Literal::Integer(integer) => Cell::Integer(*integer),
        Literal::Float(float) => Cell::Real(*float),
        Literal::Boolean(truth) => Cell::Integer(i64::from(*truth)),
    }
}

// ---- spelling

/// One expression in both languages.
#[derive(Default)]
struct Spelled {
    text: String,
    /// With `#n` for the n-th of its parameters.
    sql: String,
    cells: Vec<Cell>,
}

fn spelled(tree: &Tree, random: &mut Random) -> Result<Spelled, &'static str> {
    let mut spelled = Spelled::default();
    spelled.tree(tree, 0, random)?;
    Ok(spelled)
}

impl Spelled {
    /// `around` is how tightly what stands around it binds: 1 OR, 2 AND, 3 NOT. SQLite gets every parenthesis, Usher
    /// those that are needed, and some that are not.
    fn tree(&mut self, tree: &Tree, around: u8, random: &mut Random) -> Result<(), &'static str> {
        let binds = match tree {
            Tree::Or(_) => 1,
            Tree::And(_) => 2,
            Tree::Not(_) => 3,
            _ => 4,
        };
        let parentheses =
            usize::from(binds < around || (binds == around && binds < 3)) + usize::from(random.one_in(20));
        self.text.push_str(&"(".repeat(parentheses));
        self.sql.push('(');
        match tree {
            Tree::Constant(truth) => {
                self.word(if *truth { "TRUE" } else { "FALSE" }, random);
                self.sql.push(if *truth { '1' } else { '0' });
            }
            Tree::Not(inner) => {
                self.both("NOT", random);
                self.tree(inner, binds, random)?;
            }
            Tree::And(parts) | Tree::Or(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        self.both(if binds == 2 { "AND" } else { "OR" }, random);
                    }
                    self.tree(part, binds, random)?;
                }
            }
            Tree::Compare(column, sign, literal) => {
                self.column(*column, random);
                let (text, sql) = match sign {
                    Sign::Equal => ("=", "="),
                    Sign::NotEqual => (random.pick(&["!=", "<>"]), "<>"),
                    Sign::Less => ("<", "<"),
                    Sign::LessEqual => ("<=", "<="),
                    Sign::Greater => (">", ">"),
                    Sign::GreaterEqual => (">=", ">="),
                };
                self.text.push_str(text);
                self.sql.push_str(sql);
                self.literal(literal, random)?;
            }
            Tree::In(column, negated, values) => {
                self.column(*column, random);
                self.not(*negated, random);
                self.both("IN", random);
                for (index, value) in values.iter().enumerate() {
                    let before = if index == 0 { '(' } else { ',' };
                    self.text.push(before);
                    self.sql.push(before);
                    self.literal(value, random)?;
                }
                self.text.push(')');
                self.sql.push(')');
            }
            Tree::Between(column, negated, low, high) => {
                self.column(*column, random);
                self.not(*negated, random);
                self.both("BETWEEN", random);
                self.literal(low, random)?;
                self.both("AND", random);
                self.literal(high, random)?;
            }
            Tree::Like(column, negated, pattern) => {
                self.column(*column, random);
                self.not(*negated, random);
                self.both("LIKE", random);
                self.literal(&Literal::Text(pattern.clone()), random)?;
            }
            Tree::Part(column, negated, part, text) => self.part(*column, *negated, *part, text, random)?,
            Tree::Null(column, negated) => {
                self.column(*column, random);
                self.both("IS", random);
                self.not(*negated, random);
                self.both("NULL", random);
            }
        }
        self.text.push_str(&")".repeat(parentheses));
        self.sql.push(')');
        Ok(())
    }

    fn part(
        &mut self,
        column: usize,
        negated: bool,
        part: Part,
        text: &str,
        random: &mut Random,
    ) -> Result<(), &'static str> {
        let parameter = self.cells.len();
        let mut usher = Spelled::default();
        usher.column(column, random);
        usher.not(negated, random);
        match part {
            Part::Starts => ["STARTS", "WITH"].iter().for_each(|word| usher.word(word, random)),
            Part::Ends => ["ENDS", "WITH"].iter().for_each(|word| usher.word(word, random)),
            Part::Contains => usher.word("CONTAINS", random),
        }
        usher.literal(&Literal::Text(text.to_owned()), random)?;
        self.text.push_str(&usher.text);
        self.cells.append(&mut usher.cells);
        let (c, p) = (format!("c{column}"), format!("#{parameter}"));
        let question = match part {
            Part::Starts => format!("substr({c}, 1, length({p})) = {p}"),
            Part::Ends => format!("substr({c}, length({c}) - length({p}) + 1) = {p}"),
            Part::Contains => format!("instr({c}, {p}) > 0"),
        };
        self.sql.push_str(&if negated { format!("NOT ({question})") } else { question });
        Ok(())
    }

    fn column(&mut self, column: usize, random: &mut Random) {
        let name = COLUMNS[column].0;
        if name == "in" || random.one_in(8) {
            self.text.push_str(&format!("\"{name}\""));
        } else {
            self.text.push_str(name);
        }
        self.sql.push_str(&format!("c{column}"));
        self.space(random);
    }

    fn not(&mut self, negated: bool, random: &mut Random) {
        if negated {
            self.both("NOT", random);
        }
    }

    fn both(&mut self, keyword: &str, random: &mut Random) {
        self.word(keyword, random);
        self.sql.push_str(&format!(" {keyword} "));
    }

    /// A keyword in any case, apart from what stands beside it.
    fn word(&mut self, keyword: &str, random: &mut Random) {
        if self.text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            self.text.push(' ');
        }
        let lower = random.one_in(4);
        self.text.push_str(&if lower { keyword.to_lowercase() } else { keyword.to_owned() });
        self.text.push(' ');
        self.space(random);
    }

    fn space(&mut self, random: &mut Random) {
        self.text.push_str(random.pick(&["", "", "", " ", "\t\n"]));
    }

    fn literal(&mut self, literal: &Literal, random: &mut Random) -> Result<(), &'static str> {
        self.space(random);
        let text = match literal {
            Literal::Text(text) if text.contains('\0') => {
                return Err("SQLite's text functions stop at a zero character");
            }
            Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Literal::Integer(integer) => integer.to_string(),
            // What is beyond an i64 is a float, be it spelled without a point.
            Literal::Float(float) if float.abs() > 9.3e18 && float.abs() < 1e30 && random.one_in(3) => {
                format!("{float:.0}")
            }
            Literal::Float(float) if random.one_in(3) => format!("{float:e}"),
            Literal::Float(float) => format!("{float:?}"),
            Literal::Boolean(truth) => (if *truth { "TRUE" } else { "false" }).to_owned(),
        };
        // `{:e}` writes whole floats like `5e0`, which is a float in the text, too.
        self.text.push_str(&text);
        self.sql.push_str(&format!("#{}", self.cells.len()));
        self.cells.push(cell(literal));
        Ok(())
    }
}

// ---- chance

const INTEGERS: [i64; 17] = [
    0,
    1,
    -1,
    2,
    18,
    -40,
    (1 << 53) - 1,
    1 << 53,
    (1 << 53) + 1,
    (1 << 53) + 2,
    -(1 << 53) - 1,
    i64::MAX,
    i64::MAX - 1,
    i64::MAX - 512,
    i64::MIN,
    i64::MIN + 1,
    1_000_000_000_000_000_000,
];

const FLOATS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.5,
    18.0,
    0.1,
    0.3,
    0.30000000000000004,
    -40.25,
    9007199254740991.0,
    9007199254740992.0,
    9007199254740994.0,
    -9007199254740992.0,
    9223372036854774784.0,
    9223372036854775808.0,
    -9223372036854775808.0,
    1e300,
    5e-324,
];

const TEXTS: [&str; 24] = [
    "",
    "a",
    "A",
    "b",
    "ab",
    "abc",
    "aab",
    "abab",
    "%",
    "_",
    "a%",
    "a_c",
    "O'Neil",
    "''",
    "\"",
    "é",
    "e\u{301}",
    "日本",
    "\u{ffff}",
    "😀",
    "5",
    "5.0",
    "2026-01-01T00:00:00Z",
    " ",
];

fn row(random: &mut Random) -> Row {
    let zero = |literal: &Literal| matches!(literal, Literal::Text(text) if text.contains('\0'));
    std::array::from_fn(|column| {
        let literal = literal(COLUMNS[column].1, random);
        // What is left out of expressions for SQLite's sake is null in rows.
        (!random.one_in(4) && !zero(&literal)).then_some(literal)
    })
}

fn literal(data_type: DataType, random: &mut Random) -> Literal {
    match data_type {
        DataType::Boolean => Literal::Boolean(random.one_in(2)),
        DataType::Number => match random.below(8) {
            0..=3 => Literal::Integer(random.pick(&INTEGERS)),
            4..=5 => Literal::Float(random.pick(&FLOATS)),
            6 => Literal::Integer(random.bits().cast_signed() >> random.below(64)),
            _ => loop {
                // Any bits, so any size; what is no number is no literal.
                let float = f64::from_bits(random.bits());
                if float.is_finite() {
                    break Literal::Float(float);
                }
            },
        },
        _ => Literal::Text(text(random)),
    }
}

fn text(random: &mut Random) -> String {
    match random.below(4) {
        0..=1 => random.pick(&TEXTS).to_owned(),
        2 => [random.pick(&TEXTS), random.pick(&TEXTS)].concat(),
        _ if random.one_in(400) => "a\0b".to_owned(),
        _ => (0..random.below(12)).map(|_| random.pick(&['a', 'b', 'c', 'é', '😀'])).collect(),
    }
}

fn pattern(random: &mut Random) -> String {
    let pieces = ["%", "%", "_", "a", "b", "ab", "é", "😀", "%%", "_%"];
    if random.one_in(6) { text(random) } else { (0..random.below(6)).map(|_| random.pick(&pieces)).collect() }
}

fn tree(random: &mut Random, depth: usize) -> Tree {
    if depth > 0 && !random.one_in(3) {
        let some = |random: &mut Random| (0..2 + random.below(3)).map(|_| tree(random, depth - 1)).collect();
        return match random.below(5) {
            0..=1 => Tree::And(some(random)),
            2..=3 => Tree::Or(some(random)),
            _ => Tree::Not(Box::new(tree(random, depth - 1))),
        };
    }
    let column = random.below(COLUMNS.len());
    let data_type = COLUMNS[column].1;
    let negated = random.one_in(3);
    let one = |random: &mut Random| literal(data_type, random);
    if random.one_in(16) {
        return Tree::Constant(random.one_in(2));
    }
    if random.one_in(8) {
        return Tree::Null(column, negated);
    }
    if data_type == DataType::Boolean {
        // Booleans are equal or not; Usher gives them no order and no lists.
        let sign = if negated { Sign::NotEqual } else { Sign::Equal };
        return Tree::Compare(column, sign, one(random));
    }
    let most = if data_type == DataType::String { 7 } else { 4 };
    match random.below(most) {
        0..=1 => {
            let signs =
                [Sign::Equal, Sign::NotEqual, Sign::Less, Sign::LessEqual, Sign::Greater, Sign::GreaterEqual];
            Tree::Compare(column, random.pick(&signs), one(random))
        }
        2 => Tree::In(column, negated, (0..1 + random.below(6)).map(|_| one(random)).collect()),
        3 => Tree::Between(column, negated, one(random), one(random)),
        4 => Tree::Like(column, negated, pattern(random)),
        _ => Tree::Part(
            column,
            negated,
            random.pick(&[Part::Starts, Part::Ends, Part::Contains]),
            text(random),
        ),
    }
}
