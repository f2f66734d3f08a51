//! Fuel for the shaders of strangers: each invocation may run so many iterations of loops, all of them together.
//!
//! A loop that never ends keeps a GPU from everybody, and nothing short of losing the device stops it. So every loop of an
//! untrusted shader pays: a private counter goes down with each iteration, and at its end each loop that is still running
//! is left. WGSL has no recursion, so nothing else can go on for ever. What is left is much, and is bounded here too:
//! calls of calls of calls, which drivers expand in place, variables and large values, for which they reserve memory, and
//! the invocations of a workgroup.
//!
//! The shaders of our own cells are not touched.
use naga::{
    AddressSpace, Arena, BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, Literal,
    Module, Range, Scalar, Span, Statement, Type, TypeInner,
    valid::{FunctionInfo, ModuleInfo},
};
use std::collections::HashMap;

/// Iterations of all loops of one invocation.
pub const FUEL: u32 = 16_384;
/// Statements and expressions of an entry point, each call counted with all that it calls.
const MAX_EXPANDED: u64 = 200_000;
/// Bytes of the variables and large values of an entry point, counted in the same way.
const MAX_VARIABLE_BYTES: u64 = 64 << 10;
/// A value of more bytes counts as a variable: to take an element of it, it is put into one. Smaller ones are few
/// registers, and so many of them as expressions are allowed.
const LARGE_VALUE_BYTES: u64 = 256;
/// Invocations of a workgroup. Any GPU runs so many; one that runs more would do more for each group that is counted.
const MAX_GROUP: u64 = 256;

/// Puts fuel into a module that was found valid; `info` is what was found.
///
/// # Errors
/// A sentence for the shader's author: what no untrusted shader may do.
pub(super) fn add(module: &mut Module, info: &ModuleInfo) -> Result<(), String> {
    check(module, info)?;
    let (nowhere, inner) = (Span::UNDEFINED, TypeInner::Scalar(Scalar::U32));
    let ty = module.types.insert(Type { name: None, inner }, nowhere);
    let init = module.global_expressions.append(Expression::Literal(Literal::U32(FUEL)), nowhere);
    let counter = GlobalVariable {
        name: Some("engine_fuel".to_owned()),
        space: AddressSpace::Private,
        binding: None,
        ty,
        init: Some(init),
        memory_decorations: naga::MemoryDecorations::empty(),
    };
    let counter = module.global_variables.append(counter, nowhere);
    let entries = module.entry_points.iter_mut().map(|e| &mut e.function);
    for function in module.functions.iter_mut().map(|(_, f)| f).chain(entries) {
        let Function { body, expressions, .. } = function;
        burn(body, expressions, counter);
    }
    Ok(())
}

/// Lets every loop of `block` pay for its iterations.
fn burn(block: &mut Block, expressions: &mut Arena<Expression>, counter: Handle<GlobalVariable>) {
    for (statement, _) in block.span_iter_mut() {
        if let Statement::Loop { body, continuing, .. } = statement {
            burn(body, expressions, counter);
            burn(continuing, expressions, counter);
            body.splice(0..0, toll(expressions, counter));
        } else {
            for inner in inner_mut(statement) {
                burn(inner, expressions, counter);
            }
        }
    }
}

/// `if counter == 0 { break; } counter = counter - 1;`
fn toll(expressions: &mut Arena<Expression>, counter: Handle<GlobalVariable>) -> Block {
    let mut append = |e| expressions.append(e, Span::UNDEFINED);
    let pointer = append(Expression::GlobalVariable(counter));
    let zero = append(Expression::Literal(Literal::U32(0)));
    let one = append(Expression::Literal(Literal::U32(1)));
    // From here on in one piece: what is computed when the statement below runs.
    let left = append(Expression::Load { pointer });
    let is_empty = append(Expression::Binary { op: BinaryOperator::Equal, left, right: zero });
    let value = append(Expression::Binary { op: BinaryOperator::Subtract, left, right: one });
    let leave = Block::from_vec(vec![Statement::Break]);
    Block::from_vec(vec![
        Statement::Emit(Range::new_from_bounds(left, value)),
        Statement::If { condition: is_empty, accept: leave, reject: Block::new() },
        Statement::Store { pointer, value },
    ])
}

/// What a function costs with all that it calls.
#[derive(Clone, Copy, Default)]
struct Cost {
    expanded: u64,
    bytes: u64,
    has_barrier: bool,
}

/// Returns an error for what fuel does not bound.
fn check(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    check_groups(module)?;
    let bytes_of = |inner: &TypeInner| u64::from(inner.size(module.to_ctx()));
    let size = |ty: Handle<Type>| bytes_of(&module.types[ty].inner);
    let private = module.global_variables.iter().map(|(_, v)| v).filter(|v| v.space == AddressSpace::Private);
    let private: u64 = private.map(|v| size(v.ty)).sum();
    let mut costs = HashMap::new();
    let cost = |function: &Function, info: &FunctionInfo, costs: &HashMap<Handle<Function>, Cost>| {
        let locals: u64 = function.local_variables.iter().map(|(_, v)| size(v.ty)).sum();
        let values = function.expressions.iter().map(|(e, _)| bytes_of(info[e].ty.inner_with(&module.types)));
        let large: u64 = values.filter(|bytes| *bytes > LARGE_VALUE_BYTES).sum();
        let expanded = function.expressions.len() as u64;
        let mut cost = Cost { expanded, bytes: locals.saturating_add(large), has_barrier: false };
        count(&function.body, Where::Straight, costs, &mut cost).map(|()| cost)
    };
    // A function stands after those that it calls.
    for (handle, function) in module.functions.iter() {
        let of = cost(function, &info[handle], &costs)?;
        costs.insert(handle, of);
    }
    for (n, entry) in module.entry_points.iter().enumerate() {
        let of = cost(&entry.function, info.get_entry_point(n), &costs)?;
        if of.expanded > MAX_EXPANDED {
            return Err(format!(
                "`{}` has {} statements and expressions, what it calls counted as often as it is called; an untrusted \
                 shader has at most {MAX_EXPANDED}",
                entry.name, of.expanded
            ));
        }
        let bytes = of.bytes.saturating_add(private);
        if bytes > MAX_VARIABLE_BYTES {
            return Err(format!(
                "the variables and large values of `{}` and of what it calls have {bytes} bytes; those of an untrusted \
                 shader have at most {MAX_VARIABLE_BYTES}",
                entry.name
            ));
        }
    }
    Ok(())
}

/// Returns an error for a workgroup that is too large, or could be.
fn check_groups(module: &Module) -> Result<(), String> {
    for entry in &module.entry_points {
        if entry.workgroup_size_overrides.is_some() {
            return Err(format!(
                "the workgroup size of `{}` depends on an `override`; an untrusted shader says it in numbers or constants",
                entry.name
            ));
        }
        let count = entry.workgroup_size.iter().fold(1_u64, |all, side| all.saturating_mul(u64::from(*side)));
        if count > MAX_GROUP {
            return Err(format!(
                "a workgroup of `{}` has {count} invocations; those of an untrusted shader have at most {MAX_GROUP}",
                entry.name
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Straight,
    Loop,
}

fn count(
    block: &Block,
    place: Where,
    costs: &HashMap<Handle<Function>, Cost>,
    cost: &mut Cost,
) -> Result<(), String> {
    for statement in block {
        cost.expanded = cost.expanded.saturating_add(1);
        let mut waits =
            matches!(statement, Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. });
        if let Statement::Call { function, .. } = statement {
            let of = costs.get(function).copied().unwrap_or_default();
            cost.expanded = cost.expanded.saturating_add(of.expanded);
            cost.bytes = cost.bytes.saturating_add(of.bytes);
            waits |= of.has_barrier;
        }
        cost.has_barrier |= waits;
        if waits && place == Where::Loop {
            return Err("a loop of an untrusted shader may not wait at a barrier, because its invocations may leave it \
                        at different times, when their fuel is used up; put the barrier between two loops"
                .to_owned());
        }
        let place = if matches!(statement, Statement::Loop { .. }) { Where::Loop } else { place };
        for inner in inner(statement) {
            count(inner, place, costs, cost)?;
        }
    }
    Ok(())
}

/// Returns the blocks in a statement.
fn inner(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|c| &c.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

fn inner_mut(statement: &mut Statement) -> Vec<&mut Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter_mut().map(|c| &mut c.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "fuel_tests.rs"]
mod tests;
