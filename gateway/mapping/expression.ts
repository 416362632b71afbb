import { type ASTNode, Environment, EvaluationError, ParseError } from '@marcbachmann/cel-js'
import type { Json } from '../../adapters/contract.ts'
import {
  CalendarDate,
  compilePreparer,
  Instant,
  type ObjectMaker,
  type Preparer,
  Unfit,
} from './activation.ts'
import { Decimal } from './decimal.ts'
import { celFunctions, celOperators, celType, Refused } from './expression-cel.ts'
import { checkExpression, describe, type Reads, type ValueType, type Variables } from './expression-check.ts'
import { BINARY_OPERATORS, type BinaryOperator, ExpressionFault, type Node } from './expression-tree.ts'
import type { FieldType } from './field-type.ts'
import type { Mistake, Place } from './mistake.ts'

/**
 * The variables that expressions of one kind may use, made ready once and shared by all of them.
 */
export type ExpressionEnvironment = Readonly<{
  variables: Variables
  parse(text: string): Parsed
  makerOf(path: string): ObjectMaker
}>

/** Where an expression stands: place of its first character, and the setting that holds it. */
export type ExpressionPlace = Place & Readonly<{ field: string }>

export type Evaluated = Readonly<
  | { kind: 'value'; value: Json }
  /** It could not be answered; never the same as "no". */
  | { kind: 'failed'; reason: string }
>

export interface Expression {
  readonly text: string
  /** The kind of value that it gives; decimals, integers, dates and date-times come as text. */
  readonly kind: FieldType['kind']
  /** Top-level fields that it reads, by variable. */
  readonly reads: ReadonlyMap<string, readonly string[]>
  /** Those of them that it asks for by `has()`, so that they may be missing. */
  readonly asks: ReadonlyMap<string, readonly string[]>
  /**
   * Never throws. Values are JSON by variable; what is null or absent in them is absent to the
   * expression.
   */
  evaluate(values: Readonly<Record<string, Json>>): Evaluated
}

export type CompiledExpression = Readonly<
  | { kind: 'compiled'; expression: Expression }
  /**
   * `offset` is where in the text the mistake stands, for callers that know better places than its
   * first line.
   */
  | { kind: 'invalid'; mistake: Mistake; offset: number }
>

export const EXPRESSION_LENGTH_MAX = 4096

const LIMITS = { maxAstNodes: 500, maxDepth: 40, maxListElements: 200, maxMapEntries: 1, maxCallArguments: 8 }

/**
 * Declares variables to the evaluator. Costs milliseconds: make one per entity, not one per
 * expression.
 */
export function createExpressionEnvironment(variables: Variables): ExpressionEnvironment {
  const cel = new Environment({ limits: LIMITS })
  cel.registerType('Decimal', { ctor: Decimal, fields: {} })
  cel.registerType('CalendarDate', { ctor: CalendarDate, fields: {} })
  cel.registerType('Instant', { ctor: Instant, fields: {} })
  for (const { signature, apply } of celOperators()) cel.registerOperator(signature, apply)
  for (const { signature, apply } of celFunctions()) cel.registerFunction(signature, apply, { async: false })
  const makers = new Map<string, ObjectMaker>()
  for (const [name, type] of Object.entries(variables)) {
    if (type.kind !== 'text-fields') registerObjects(cel, type, name, makers)
    cel.registerVariable(name, type.kind === 'text-fields' ? 'map<string, string>' : celType(type, name))
  }
  return {
    variables,
    parse: (text) => parse(cel, text),
    makerOf(path) {
      const maker = makers.get(path)
      if (maker === undefined) throw new Error(`no object type was registered for ${path}`)
      return maker
    },
  }
}

/**
 * Checks an expression against the types of its variables and makes it ready to run. `gives` is the
 * kind of value needed; null allows any. The mistake of an invalid one carries the text with a
 * caret under the place.
 */
export function compileExpression(
  text: string,
  environment: ExpressionEnvironment,
  where: ExpressionPlace,
  gives: FieldType['kind'] | null = 'boolean',
): CompiledExpression {
  try {
    return { kind: 'compiled', expression: compile(text, environment, gives) }
  } catch (error) {
    if (error instanceof ExpressionFault) {
      return {
        kind: 'invalid',
        mistake: mistakeOf(text, error.start, error.message, where),
        offset: error.start,
      }
    }
    throw error
  }
}

function askedFields({ fields }: Reads): readonly string[] {
  return [...fields].flatMap(([name, { isAsked }]) => (isAsked === true ? [name] : []))
}

function compile(
  text: string,
  environment: ExpressionEnvironment,
  gives: FieldType['kind'] | null,
): Expression {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw new ExpressionFault(0, `an expression has at most ${EXPRESSION_LENGTH_MAX} characters`)
  }
  const parsed = environment.parse(text)
  const { type, reads } = checkExpression(parsed.tree, environment.variables)
  const kind = resultKind(type, gives)
  parsed.check()
  const prepared: [string, Preparer][] = []
  for (const [name, read] of reads) {
    const variable = environment.variables[name]
    if (variable === undefined || (read.fields.size === 0 && read.elements === null && isWhole(variable)))
      continue
    prepared.push([name, compilePreparer(variable, read, name, environment.makerOf)])
  }
  return {
    text,
    kind,
    reads: new Map([...reads].map(([name, read]) => [name, [...read.fields.keys()]])),
    asks: new Map([...reads].map(([name, read]) => [name, askedFields(read)])),
    evaluate: (values) => evaluate(parsed.run, prepared, values),
  }
}

/**
 * Objects and records of which nothing is read need not be made ready; a scalar variable is read by
 * its name.
 */
function isWhole(type: ValueType): boolean {
  return type.kind === 'object' || type.kind === 'map' || type.kind === 'text-fields'
}

function resultKind(type: ValueType, gives: FieldType['kind'] | null): FieldType['kind'] {
  if (type.kind === 'text-fields' || type.kind === 'object' || type.kind === 'map') {
    throw new ExpressionFault(0, `this gives ${describe(type)}: name one of its fields`)
  }
  if (gives === null || gives === type.kind || (gives === 'decimal' && type.kind === 'integer'))
    return type.kind
  const wanted = gives === 'boolean' ? 'true or false' : gives
  throw new ExpressionFault(0, `this gives ${describe(type)}, and ${wanted} is needed`)
}

function evaluate(
  run: (values: Record<string, unknown>) => unknown,
  prepared: readonly [string, Preparer][],
  values: Readonly<Record<string, Json>>,
): Evaluated {
  try {
    const activation: Record<string, unknown> = {}
    for (const [name, prepare] of prepared) activation[name] = prepare(values[name])
    const value = toJson(run(activation))
    return value === undefined ? failed('it gave no value') : { kind: 'value', value }
  } catch (error) {
    if (error instanceof EvaluationError) return failed(error.summary)
    if (error instanceof Unfit || error instanceof Refused) return failed(error.message)
    return failed(error instanceof Error ? `${error.name} in the evaluator` : 'the evaluator stopped')
  }
}

function failed(reason: string): Evaluated {
  return { kind: 'failed', reason }
}

function toJson(value: unknown): Json | undefined {
  if (typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Decimal || value instanceof CalendarDate || value instanceof Instant)
    return value.toString()
  if (!Array.isArray(value)) return undefined
  const items = value.map(toJson)
  return items.every((item) => item !== undefined) ? items : undefined
}

/** How much of a long line is shown on either side of the caret. */
const SHOWN = 60

function mistakeOf(text: string, start: number, message: string, where: ExpressionPlace): Mistake {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = text.indexOf('\n', start)
  const from = Math.max(lineStart, start - SHOWN)
  const line = text.slice(from, Math.min(lineEnd === -1 ? text.length : lineEnd, start + SHOWN))
  const caret = `${' '.repeat(start - from)}^`
  const isOneLine = !text.includes('\n')
  return {
    file: where.file,
    line: where.line,
    column: isOneLine ? where.column + start : where.column,
    field: where.field,
    message: `${message}\n    ${line}\n    ${caret}`,
  }
}

// ─── the parser's words ──────────────────────────────────────────────────────────────────────────

type Parsed = Readonly<{
  tree: Node
  /** The evaluator's own type check, behind ours: it must agree before anything runs. */
  check(): void
  run(values: Record<string, unknown>): unknown
}>

function parse(cel: Environment, text: string): Parsed {
  try {
    const parsed = cel.parse(text)
    return {
      tree: nodeOf(parsed.ast),
      run: parsed,
      check() {
        const { error } = parsed.check()
        if (error !== undefined) throw new ExpressionFault(error.range?.start ?? 0, error.summary)
      },
    }
  } catch (error) {
    if (error instanceof ParseError) throw new ExpressionFault(error.range?.start ?? 0, error.summary)
    throw error
  }
}

function registerObjects(
  cel: Environment,
  type: FieldType,
  path: string,
  makers: Map<string, ObjectMaker>,
): void {
  if (type.kind === 'list' || type.kind === 'map') registerObjects(cel, type.of, `${path}[]`, makers)
  if (type.kind !== 'object') return
  const fields: Record<string, string> = {}
  for (const [name, field] of Object.entries(type.fields)) {
    registerObjects(cel, field, `${path}.${name}`, makers)
    fields[name] = celType(field, `${path}.${name}`)
  }
  // The evaluator tells objects apart by their class, so every place in the tree gets its own.
  class Made {
    [field: string]: unknown
  }
  cel.registerType(celType(type, path), { ctor: Made, fields })
  makers.set(path, () => new Made())
}

function nodeOf(ast: ASTNode): Node {
  const at = { start: ast.start, end: ast.end }
  switch (ast.op) {
    case 'value':
      return { ...at, ...literalOf(ast.args) }
    case 'id':
      return { ...at, kind: 'variable', name: ast.args }
    case '.':
      return { ...at, kind: 'field', of: nodeOf(ast.args[0]), name: ast.args[1] }
    case '[]':
      return { ...at, kind: 'index', of: nodeOf(ast.args[0]), index: nodeOf(ast.args[1]) }
    case 'call':
      return { ...at, kind: 'call', name: ast.args[0], receiver: null, args: ast.args[1].map(nodeOf) }
    case 'rcall':
      return {
        ...at,
        kind: 'call',
        name: ast.args[0],
        receiver: nodeOf(ast.args[1]),
        args: ast.args[2].map(nodeOf),
      }
    case 'list':
      return { ...at, kind: 'list', items: ast.args.map(nodeOf) }
    case '?:': {
      const [condition, yes, no] = ast.args
      return {
        ...at,
        kind: 'choice',
        condition: nodeOf(condition),
        yes: nodeOf(yes),
        no: nodeOf(no),
      }
    }
    case '&&':
      return { ...at, kind: 'and', left: nodeOf(ast.args[0]), right: nodeOf(ast.args[1]) }
    case '||':
      return { ...at, kind: 'or', left: nodeOf(ast.args[0]), right: nodeOf(ast.args[1]) }
    case '!_':
      return { ...at, kind: 'not', of: nodeOf(ast.args) }
    case '-_':
      return { ...at, kind: 'negative', of: nodeOf(ast.args) }
    case 'map':
      return { ...at, kind: 'map' }
    case '.?':
    case '[?]':
      throw new ExpressionFault(ast.start, 'optional access is not offered: use has()')
    default:
      return {
        ...at,
        kind: 'binary',
        operator: operatorOf(ast),
        left: nodeOf(ast.args[0]),
        right: nodeOf(ast.args[1]),
      }
  }
}

function operatorOf(ast: ASTNode): BinaryOperator {
  const operator = BINARY_OPERATORS.find((known) => known === ast.op)
  if (operator === undefined) throw new ExpressionFault(ast.start, `"${ast.op}" is not offered`)
  return operator
}

function literalOf(value: unknown) {
  if (typeof value === 'number') return { kind: 'float' } as const
  if (value instanceof Uint8Array) return { kind: 'bytes' } as const
  const isPlain =
    value === null || typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean'
  return isPlain ? ({ kind: 'literal', value } as const) : ({ kind: 'unsigned' } as const)
}
