//! The tool calls of one turn: written down together, made in parallel where allowed, returned in
//! the model's order.

use futures::future::{Either, join_all, select};
use heartbeat_domain::conversation::{ToolCall, ToolOutput, ToolSpec};

use crate::journal::{Begun, Halt, StepSeq};
use crate::session::{Ended, Progress, Session};

/// One call with its number and what the record says about it.
struct Step<'c> {
    seq: StepSeq,
    call: &'c ToolCall,
    begun: Begun<ToolOutput>,
}

impl Session<'_> {
    /// Makes the calls of a turn, or takes their results from the record.
    ///
    /// When the session's time is up, calls in flight are left without a result: the record then
    /// shows them as unknown, which is what they are.
    pub(crate) async fn make_calls(
        &self,
        calls: &[ToolCall],
        tools: &[ToolSpec],
        progress: &Progress,
    ) -> Result<Vec<ToolOutput>, Ended> {
        let begun = self.journal.begin_calls(progress.next, calls).await?;
        if begun.len() != calls.len() {
            return Err(Halt::Unavailable("the journal lost count of the calls".to_owned()).into());
        }
        let numbered = calls.iter().zip(begun).zip(progress.next..);
        let steps = numbered
            .map(|((call, begun), seq)| Step { seq, call, begun })
            .collect();
        let mut outputs = Vec::with_capacity(calls.len());
        for group in self.groups(steps) {
            let made = join_all(
                group
                    .into_iter()
                    .map(|step| Box::pin(self.make(step, tools))),
            );
            match select(made, self.waiter.wait_until(progress.ends_at)).await {
                Either::Left((made, _)) => {
                    outputs.extend(made.into_iter().collect::<Result<Vec<_>, _>>()?)
                }
                Either::Right(_) => return Err(self.time_is_up()),
            }
        }
        Ok(outputs)
    }

    /// Neighbours that may run beside one another; what may not stands alone.
    fn groups<'c>(&self, steps: Vec<Step<'c>>) -> Vec<Vec<Step<'c>>> {
        let mut groups: Vec<Vec<Step<'c>>> = Vec::new();
        let mut may_join = false;
        for step in steps {
            let parallel = self.toolbox.parallel_safe(&step.call.name);
            match groups.last_mut() {
                Some(group) if may_join && parallel => group.push(step),
                _ => groups.push(vec![step]),
            }
            may_join = parallel;
        }
        groups
    }

    async fn make(&self, step: Step<'_>, tools: &[ToolSpec]) -> Result<ToolOutput, Halt> {
        if let Begun::Recorded(output) = step.begun {
            return Ok(output);
        }
        let mut output = match refusal(step.call, tools) {
            Some(refusal) => ToolOutput::error(refusal),
            None => self.toolbox.call(step.call).await,
        };
        cut(&mut output.text, self.limits.tool_result_bytes);
        self.journal.record_call(step.seq, &output).await?;
        Ok(output)
    }
}

/// Why a call cannot be made at all, told to the model so that it can do better.
fn refusal(call: &ToolCall, tools: &[ToolSpec]) -> Option<String> {
    let name = &call.name;
    if !tools.iter().any(|tool| tool.name == *name) {
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Some(format!(
            "There is no tool named {name:?}. The tools are: {names}."
        ));
    }
    if call.arguments.is_object() {
        return None;
    }
    Some(format!(
        "The call of {name} was not made: its arguments are not a JSON object. Call it again with \
         an object that fits its schema."
    ))
}

/// Cuts a result between two characters and says so.
fn cut(text: &mut String, bytes_max: usize) {
    let bytes = text.len();
    if bytes <= bytes_max {
        return;
    }
    let kept = text.floor_char_boundary(bytes_max);
    text.truncate(kept);
    text.push_str(&format!(
        "\n[Cut: the result has {bytes} bytes, the first {kept} are shown.]"
    ));
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_result_is_cut_between_characters_and_says_so() {
        let mut text = "ä".repeat(10);
        cut(&mut text, 5);
        assert_eq!(
            text,
            "ää\n[Cut: the result has 20 bytes, the first 4 are shown.]"
        );
        let mut text = "short".to_owned();
        cut(&mut text, 5);
        assert_eq!(text, "short");
    }
}
