//! The tool calls of one turn: written down together, made in parallel where allowed, returned in
//! the model's order.

use futures::future::{Either, join_all, select};
use heartbeat_domain::conversation::{ToolCall, ToolOutput, ToolSpec};

use crate::journal::{Begun, Halt, StepSeq};
use crate::session::{Ended, Progress, Session};
use crate::tool::{Attempt, Made};

/// One call with its number and what the record says about it.
struct Step<'c> {
    seq: StepSeq,
    call: &'c ToolCall,
    begun: Begun<ToolOutput>,
}

impl Session<'_> {
    /// Makes the calls of a turn, or takes their results from the record.
    ///
    /// When the session's time is up, or it is to stop, calls in flight are left without a result:
    /// whoever ends the execution says of each what is known of it.
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
        let steps = numbered.map(|((call, begun), seq)| Step { seq, call, begun });
        let lanes = self.lanes(steps).into_iter();
        let made = join_all(lanes.map(|lane| Box::pin(self.make_in_order(lane, tools))));
        let made = match select(made, self.waiter.wait_until(progress.ends_at)).await {
            Either::Left((made, _)) => made,
            Either::Right(_) => return Err(self.time_is_up()),
        };
        let lanes = made.into_iter().collect::<Result<Vec<_>, Halt>>()?;
        let mut outputs: Vec<_> = lanes.into_iter().flatten().collect();
        outputs.sort_by_key(|(seq, _)| *seq);
        Ok(outputs.into_iter().map(|(_, output)| output).collect())
    }

    /// The calls by lane; one without a lane has one for itself.
    fn lanes<'c>(&self, steps: impl Iterator<Item = Step<'c>>) -> Vec<Vec<Step<'c>>> {
        let mut lanes: Vec<(Option<String>, Vec<Step<'c>>)> = Vec::new();
        for step in steps {
            let lane = self.toolbox.lane(&step.call.name);
            let known = lanes
                .iter_mut()
                .find(|(name, _)| name.is_some() && *name == lane);
            match known {
                Some((_, steps)) => steps.push(step),
                None => lanes.push((lane, vec![step])),
            }
        }
        lanes.into_iter().map(|(_, steps)| steps).collect()
    }

    async fn make_in_order(
        &self,
        steps: Vec<Step<'_>>,
        tools: &[ToolSpec],
    ) -> Result<Vec<(StepSeq, ToolOutput)>, Halt> {
        let mut outputs = Vec::with_capacity(steps.len());
        for step in steps {
            outputs.push((step.seq, self.make(step, tools).await?));
        }
        Ok(outputs)
    }

    async fn make(&self, step: Step<'_>, tools: &[ToolSpec]) -> Result<ToolOutput, Halt> {
        let is_repeat = match step.begun {
            Begun::Recorded(output) => return Ok(output),
            Begun::Go => false,
            Begun::Again => true,
        };
        let attempt = Attempt {
            seq: step.seq,
            call: step.call,
            is_repeat,
        };
        let mut made = match refusal(step.call, tools) {
            Some(refusal) => Made::Answered(ToolOutput::error(refusal)),
            None => {
                let made = self.unless_stopped(self.toolbox.call(attempt));
                made.await.ok_or(Halt::Cancelled)??
            }
        };
        cut(&mut made.output_mut().text, self.limits.tool_result_bytes);
        self.journal.record_call(step.seq, &made).await?;
        Ok(made.into_output())
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
