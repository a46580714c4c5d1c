//! The parts of frames that several operations share: a request's head and body, rows, responses, statements.

use usher_edge::host::{HEADERS, Head};
use usher_edge::store::sql::{Cell, Statement};
use usher_edge::wire::frame::{FrameReader, FrameWriter};
use usher_edge::{Ambient, Line, Request, Response};

/// `now · entropy · text`; the text has a line each for method and target, and then for the name and the value of each header
pub(crate) fn with_head<'i, T>(
    input: &mut FrameReader<'i>,
    run: impl FnOnce(&Head<'_>, &mut FrameReader<'i>) -> T,
) -> Option<T> {
    let ambient = Ambient { now_ms: input.long()?, entropy: input.array()? };
    let mut lines = input.text()?.split('\n');
    let (method, target) = (lines.next()?, lines.next()?);
    let mut headers = Vec::with_capacity(HEADERS.len());
    while let Some(name) = lines.next() {
        headers.push((name.to_owned(), lines.next()?.to_owned()));
    }
    Some(run(&Head { method, target, headers: &headers, ambient }, input))
}

/// The head, then `body`
pub(crate) fn with_request<T>(input: &mut FrameReader<'_>, run: impl FnOnce(&Request<'_>) -> T) -> Option<T> {
    with_head(input, |head, input| {
        let Head { method, target, headers, ambient } = *head;
        Some(run(&Request { method, target, headers, body: input.bytes()?, ambient }))
    })?
}

/// `status · text · body · age of the snapshot · series that were counted`; the text has a line for the name and the value of each header
pub(crate) fn response(out: &mut FrameWriter, response: &Response) {
    out.number(u32::from(response.status));
    let mut text = String::new();
    for (name, value) in &response.headers {
        for line in [name, value.as_str()] {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
    }
    out.text(&text).bytes(&response.body);
    // -1: none.
    out.long(response.counts.age_ms().unwrap_or(-1)).bytes(response.counts.series());
}

/// Each `event · detail`
pub(crate) fn lines(out: &mut FrameWriter, lines: &[Line]) {
    out.list(lines, |w, line| {
        w.text(line.event()).text(line.detail());
    });
}

/// Each `sql · parameters`
pub(crate) fn statements(out: &mut FrameWriter, statements: &[Statement]) {
    out.list(statements, |w, statement| {
        w.text(statement.sql);
        w.list(&statement.params, |w, cell| {
            match cell {
                Cell::Bytes(bytes) => w.byte(0).bytes(bytes),
                Cell::Number(number) => w.byte(1).long(*number),
                Cell::Text(text) => w.byte(2).text(text),
            };
        });
    });
}

pub(crate) fn cell(r: &mut FrameReader<'_>) -> Option<Cell> {
    Some(match r.byte()? {
        0 => Cell::Bytes(r.bytes()?.to_vec()),
        1 => Cell::Number(r.long()?),
        2 => Cell::Text(r.text()?.to_owned()),
        _ => return None,
    })
}
