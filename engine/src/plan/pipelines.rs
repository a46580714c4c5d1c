//! The part of the compiler for pipelines: their names, and whether the edge can run them. A plan does not hold them compiled:
//! whoever answers by one compiles it.

use super::compile::Compiler;
use crate::diagnostic::{At, Code, words};
use crate::limits::PIPELINES_MAX;
use crate::pipeline::TableRows;

impl Compiler<'_> {
    /// Checks the pipelines.
    pub(super) fn pipelines(&mut self) {
        let pipelines = &self.definition.pipelines;
        let names = pipelines.iter().map(|pipeline| pipeline.name.as_str());
        self.unique(At::list("pipelines"), names, "pipeline");
        if pipelines.len() > PIPELINES_MAX {
            let message = words!("{} pipelines, at most {PIPELINES_MAX} are allowed", pipelines.len());
            self.report(Code::OverBound, At::list("pipelines"), message, None);
        }
        for (index, pipeline) in pipelines.iter().enumerate() {
            let Err(found) = TableRows::compile(self.definition, pipeline) else { continue };
            for mut finding in found {
                finding.path = alloc::format!("pipelines[{index}].{}", finding.path);
                self.out.push(finding);
            }
        }
    }
}
