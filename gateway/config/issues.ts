import { z } from 'zod'
import { type Mistake, suggestion } from '../mapping/mistake.ts'
import { type ConfigTree, type Path, pathText } from './document.ts'

/** `output` is null when anything is wrong. */
export type Shaped<Output> = Readonly<{ output: Output | null; mistakes: readonly Mistake[] }>

/** Parses a part of the tree and says what is wrong with it: where it stands, what is allowed, what was meant. */
export function checkShape<Schema extends z.ZodType>(
  schema: Schema,
  tree: ConfigTree,
  part: Readonly<{ path: Path; value: unknown }> = { path: [], value: tree.value },
): Shaped<z.output<Schema>> {
  const allowed: AllowedKeys = new WeakMap()
  const result = schema.safeParse(part.value, { error: (issue) => messageOf(issue, allowed) })
  if (result.success) return { output: result.data, mistakes: [] }
  const mistakes = result.error.issues.flatMap((issue) => mistakesOf(issue, part.path, tree, allowed))
  return { output: null, mistakes }
}

/** Puts a sentence at a place: at the key for what concerns the key or a missing value, else at the value. */
export function mistakeAtPath(tree: ConfigTree, path: Path, of: 'key' | 'value', message: string): Mistake {
  return { ...tree.place(path, of), field: pathText(withIndexes(tree, path)), message }
}

/** Adapters name a place in a list by a text, as in `lines.0.name`; it is shown as the index that it is. */
function withIndexes(tree: ConfigTree, path: Path): Path {
  return path.map((part, position) => (Array.isArray(tree.at(path.slice(0, position))) ? Number(part) : part))
}

/** The keys that an object would have taken, by the list of those that it did not take. */
type AllowedKeys = WeakMap<readonly string[], readonly string[]>

function mistakesOf(
  issue: z.core.$ZodIssue,
  prefix: Path,
  tree: ConfigTree,
  allowed: AllowedKeys,
): readonly Mistake[] {
  const path = [...prefix, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) =>
      mistakeAtPath(tree, [...path, key], 'key', unknownKey(key, allowed.get(issue.keys) ?? [])),
    )
  }
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue)
    if (meant !== null) return meant.flatMap((inner) => mistakesOf(inner, path, tree, allowed))
  }
  const of = issue.code === 'invalid_key' ? 'key' : 'value'
  const message = issue.code === 'invalid_type' ? absence(tree, path, issue.message) : issue.message
  return [mistakeAtPath(tree, path, of, message)]
}

/** The blocks of the adapters say what a value must be; whether there is one at all is seen here. */
function absence(tree: ConfigTree, path: Path, message: string): string {
  const expected = message.startsWith('must ') ? `; it ${message}` : ''
  if (!tree.has(path)) return `is missing${expected}`
  return tree.at(path) === null ? `is empty${expected}, or the line must go` : message
}

/**
 * The one branch of a union that the value has the right type for: its issues say more than the union's own. None
 * for a discriminated union, which has already chosen.
 */
function meantBranch(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | null {
  const fitting = issue.errors.filter(
    (branch) => !branch.some((inner) => inner.path.length === 0 && inner.code !== 'unrecognized_keys'),
  )
  const [meant] = fitting
  return fitting.length === 1 && meant !== undefined ? meant : null
}

const KEYS_SHOWN_MAX = 24

function unknownKey(key: string, allowed: readonly string[]): string {
  return `is not a known key${nearAndAllowed(key, allowed)}`
}

/** ` (did you mean "poll"?); allowed: …` */
function nearAndAllowed(name: string, allowed: readonly string[]): string {
  const near = suggestion(name, allowed)
  const shown = allowed.length > KEYS_SHOWN_MAX ? [...allowed.slice(0, KEYS_SHOWN_MAX), '…'] : allowed
  if (allowed.length === 0 || near.startsWith(' (valid')) return near
  return `${near}; allowed: ${shown.join(', ')}`
}

/** Messages for what the schemas leave to us. Values are quoted only where they can be no secret: choices. */
function messageOf(issue: z.core.$ZodRawIssue, allowed: AllowedKeys): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${EXPECTED[issue.expected] ?? issue.expected}${butIs(issue.input)}`
    case 'invalid_value':
      return notAChoice(issue.input, issue.values.map(String))
    case 'unrecognized_keys':
      if (issue.inst instanceof z.ZodObject) allowed.set(issue.keys, Object.keys(issue.inst.shape))
      return 'holds keys that are not known'
    case 'invalid_union':
      return wrongUnion(issue)
    case 'invalid_key':
      return `cannot be used as a name: it ${issue.issues[0]?.message ?? 'has the wrong form'}`
    case 'too_small':
      return `must have at least ${bound(issue.minimum, issue.origin)}`
    case 'too_big':
      return `must have at most ${bound(issue.maximum, issue.origin)}`
    default:
      return 'does not have the form that is needed here'
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  object: 'a group of "key: value" lines',
  record: 'a group of "key: value" lines',
  array: 'a list, [a, b] or lines that begin with a hyphen',
}

function butIs(input: unknown): string {
  if (input === undefined || input === null) return ''
  if (Array.isArray(input)) return ', not a list'
  if (typeof input === 'object') return ', not a group of keys'
  return typeof input === 'string' ? ', not text' : `, not ${String(input)}; quote it if it is meant as text`
}

function notAChoice(input: unknown, values: readonly string[]): string {
  if (input === undefined) return `is missing; it must be one of ${values.join(', ')}`
  if (typeof input !== 'string') return `must be one of ${values.join(', ')}${butIs(input)}`
  return `cannot be "${input}"${nearAndAllowed(input, values)}`
}

function wrongUnion(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>): string {
  const { discriminator } = issue
  if (typeof discriminator !== 'string') return 'does not have a form that is allowed here'
  const chosen = isObject(issue.input) ? issue.input[discriminator] : undefined
  return notAChoice(
    chosen,
    // A member that counts where the discriminator is left out has `undefined` among its values.
    'options' in issue && Array.isArray(issue.options)
      ? issue.options.filter((option) => option !== undefined).map(String)
      : [],
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bound(limit: number | bigint, origin: string): string {
  if (origin === 'string') return `${limit} character${limit === 1 ? '' : 's'}`
  if (origin === 'array') return `${limit} ${limit === 1 ? 'entry' : 'entries'}`
  return String(limit)
}
