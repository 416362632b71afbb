import type { Json, SourceRecord } from '../../adapters/contract.ts'
import { type CompiledMapping, compileMapping } from './compile-mapping.ts'
import type { MappingDefinition } from './definition.ts'
import type { EntitySchema } from './entity.ts'
import type { Mapped, MappingSource } from './mapping.ts'
import { type Mistake, mistakesText, suggestion } from './mistake.ts'
import { isJsonList, isRow, type Row } from './rule.ts'
import { ADDED_FIELDS } from './rule-objects.ts'
import { entry, mistakeAt, mistakeAtKey, plain, type Written, type WrittenMap } from './written.ts'

/** One example of a mapping file, run. `differences` is empty when it came out as the file says. */
export type MappingTestResult = Readonly<{
  name: string
  line: number
  differences: readonly string[]
}>

const KEYS = ['name', 'source', 'like', 'record', 'with', 'without', 'changedAt'].concat([
  'event',
  'differs',
  'rejected',
])

/**
 * Runs the `tests` of a mapping file. Each gives a `record` (or says `like` which other, `with` and
 * `without` which fields), what the gateway knows of the source, and the `event` or the rejection
 * expected; `differs` is the event of the example that it is like, but for what stands there. Fields that the gateway adds to data itself are compared only where the example names
 * them.
 */
export function runMappingTests(
  definition: MappingDefinition,
  schema: EntitySchema,
): readonly MappingTestResult[] {
  const written = entry(definition.written, 'tests')
  if (written === null) return []
  if (written.kind !== 'list') return [broken(mistakeAt(written, '"tests" is a list of examples'))]
  const examples: WrittenMap[] = []
  const results: MappingTestResult[] = []
  for (const item of written.items) {
    if (item.kind !== 'map') results.push(broken(mistakeAt(item, 'an example is a map')))
    else {
      results.push(runExample(item, examples, definition, schema))
      examples.push(item)
    }
  }
  return results
}

function broken(mistake: Mistake): MappingTestResult {
  return { name: mistake.field, line: mistake.line, differences: [mistakesText([mistake])] }
}

function runExample(
  example: WrittenMap,
  earlier: readonly WrittenMap[],
  definition: MappingDefinition,
  schema: EntitySchema,
): MappingTestResult {
  const name = textAt(example, 'name') ?? example.path
  const { line } = example.place
  const mistakes: Mistake[] = []
  for (const key of example.entries.keys()) {
    if (KEYS.includes(key)) continue
    mistakes.push(mistakeAtKey(example, key, `an example has no "${key}"${suggestion(key, KEYS)}`))
  }
  const chain = chainOf(example, earlier, mistakes)
  const record = recordOf(chain, mistakes)
  const expected = ['event', 'differs', 'rejected'].filter((key) => entry(example, key) !== null)
  if (expected.length !== 1) {
    const message = 'an example expects either an "event", or what "differs", or to be "rejected"'
    mistakes.push(mistakeAt(example, message))
  }
  const event = eventOf(chain)
  if (event === null) {
    const message = '"differs" needs an example that it is like, with the "data" of an event'
    mistakes.push(mistakeAt(entry(example, 'differs') ?? example, message))
  }
  if (mistakes.length > 0) return { name, line, differences: [mistakesText(mistakes)] }
  const settings = chain.map((one) => entry(one, 'source')).findLast((one) => one !== null) ?? null
  const source = sourceOf(settings, definition, record.data)
  const compiled = compileMapping(definition, schema, source)
  return { name, line, differences: compare(compiled, record, event ?? {}, entry(example, 'rejected')) }
}

/** The event that the last of a chain expects, empty for one that is rejected; null where it differs from none. */
function eventOf(chain: readonly WrittenMap[]): Row | null {
  const example = chain.at(-1)
  if (example === undefined) return null
  if (entry(example, 'differs') === null) return mapJson(entry(example, 'event'))
  const before = eventOf(chain.slice(0, -1))
  const data = before?.['data']
  if (!isRow(data)) return null
  const differs = mapJson(entry(example, 'differs'))
  const own = differs['data']
  return { ...before, ...differs, data: isRow(own) ? { ...data, ...own } : data }
}

function textAt(map: WrittenMap, name: string): string | null {
  const value = entry(map, name)
  return value?.kind === 'text' ? value.text : null
}

/** The example behind those that it is `like`, the first of them first. */
function chainOf(
  example: WrittenMap,
  earlier: readonly WrittenMap[],
  mistakes: Mistake[],
): readonly WrittenMap[] {
  const like = entry(example, 'like')
  if (like === null) return [example]
  const names = earlier.map((one) => textAt(one, 'name') ?? '')
  const place = like.kind === 'text' ? names.indexOf(like.text) : -1
  const base = earlier[place]
  if (base !== undefined) return [...chainOf(base, earlier.slice(0, place), mistakes), example]
  const near = suggestion(like.kind === 'text' ? like.text : '', names)
  mistakes.push(mistakeAt(like, `no example before this one has that name${near}`))
  return [example]
}

function recordOf(chain: readonly WrittenMap[], mistakes: Mistake[]): SourceRecord {
  let data: { [field: string]: Json } = {}
  let changedAt: string | null = null
  for (const example of chain) {
    const own = entry(example, 'record')
    if (own !== null) data = { ...mapJson(own) }
    data = { ...data, ...mapJson(entry(example, 'with')) }
    const gone = entry(example, 'without')
    for (const name of gone?.kind === 'list' ? gone.items.map(plain) : []) delete data[String(name)]
    changedAt = textAt(example, 'changedAt') ?? changedAt
  }
  const [first] = chain
  if (first !== undefined && entry(first, 'record')?.kind !== 'map') {
    mistakes.push(mistakeAt(first, '"record" is missing, or "like" an example that has one'))
  }
  const fixed = { type: 'example', key: 'example', op: 'upsert', order: null, rowVersion: null } as const
  return { ...fixed, fingerprint: null, changedAt, data }
}

function mapJson(written: Written | null): Row {
  const value = written === null ? null : plain(written)
  return isRow(value) ? value : {}
}

/**
 * The source of an example. Where it names no company, the one in the record is taken as
 * configured, so that examples need not declare what they are not about.
 */
function sourceOf(written: Written | null, definition: MappingDefinition, record: Row): MappingSource {
  const settings = mapJson(written)
  const text = (name: string, otherwise: string) => {
    const value = settings[name]
    return typeof value === 'string' ? value : otherwise
  }
  const column = textAt(definition.written, 'company')
  const inRecord = column === null ? undefined : record[column]
  const company = text('company', column === null ? 'example' : 'from-record')
  const code = company === 'from-record' && typeof inRecord === 'string' ? inRecord : company
  const declared = settings['companies']
  const companies: Record<string, { name: string; currency: string }> = {}
  for (const [name, value] of isRow(declared) ? Object.entries(declared) : [[code, {}] as const]) {
    const stated = isRow(value) ? value : {}
    companies[name] = {
      name: String(stated['name'] ?? 'Example'),
      currency: String(stated['currency'] ?? text('currency', 'XXX')),
    }
  }
  return { system: text('system', 'example'), company, companies, zone: text('zone', 'Etc/UTC') }
}

function compare(
  compiled: CompiledMapping,
  record: SourceRecord,
  expected: Row,
  rejection: Written | null,
): readonly string[] {
  if (compiled.kind === 'invalid') return [mistakesText(compiled.mistakes)]
  const mapped = compiled.mapping.map(record)
  if (rejection !== null) return compareRejection(mapped, mapJson(rejection))
  if (mapped.kind === 'rejected')
    return [`was rejected: ${mapped.code} ${mapped.field ?? ''}: ${mapped.reason}`]
  const { company, subject, time, data } = mapped
  const differences: string[] = []
  for (const [name, actual] of Object.entries({ company, subject, time })) {
    if (Object.hasOwn(expected, name)) compareValue(name, expected[name], actual, differences)
  }
  const wanted = expected['data']
  const shown = Object.fromEntries(
    Object.entries(data).filter(
      ([name]) => !ADDED_FIELDS.includes(name) || (isRow(wanted) && Object.hasOwn(wanted, name)),
    ),
  )
  if (wanted !== undefined) compareValue('data', wanted, shown, differences)
  return differences
}

function compareRejection(mapped: Mapped, expected: Row): readonly string[] {
  if (mapped.kind === 'mapped') return ['was mapped, and the example expects it to be rejected']
  const { code, field, reason } = expected
  const differences: string[] = []
  if (code !== undefined) compareValue('code', code, mapped.code, differences)
  if (field !== undefined) compareValue('field', field, mapped.field, differences)
  const because = expected['because'] ?? reason
  if (typeof because === 'string' && !mapped.reason.includes(because)) {
    differences.push(`reason: expected "… ${because} …", was "${mapped.reason}"`)
  }
  return differences
}

/** YAML says integers as text, so a number is compared by its digits. */
function compareValue(
  path: string,
  expected: Json | undefined,
  actual: Json | undefined,
  into: string[],
): void {
  if (isRow(expected) && isRow(actual)) {
    for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      compareValue(`${path}.${name}`, expected[name], actual[name], into)
    }
    return
  }
  if (isJsonList(expected) && isJsonList(actual) && expected.length === actual.length) {
    for (const [index, value] of expected.entries())
      compareValue(`${path}[${index}]`, value, actual[index], into)
    return
  }
  const shown = typeof actual === 'number' ? String(actual) : actual
  if (JSON.stringify(expected) === JSON.stringify(shown)) return
  into.push(`${path}: expected ${said(expected)}, was ${said(actual)}`)
}

function said(value: Json | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}
