import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { adapter } from '../../adapters/database/adapter.ts'
import { selectFaults } from '../../adapters/database/select-guard.ts'
import type { Feed } from '../../adapters/database/settings.ts'
import { compileMapping } from '../../gateway/mapping/compile-mapping.ts'
import { listMappings, loadMapping } from '../../gateway/mapping/definition.ts'
import type { Mapping } from '../../gateway/mapping/mapping.ts'
import { missingFields } from '../../gateway/mapping/missing-fields.ts'
import { mistakesText, mistakeText } from '../../gateway/mapping/mistake.ts'
import { entry, plain } from '../../gateway/mapping/written.ts'
import { loadSchemas } from '../../gateway/schemas/load.ts'
import { CHECKOUT, EVENTS, MAPPINGS } from './schema-folder.ts'

/** Packs for ERPs that many companies run: their README holds the settings of every feed, to be copied. */
const PACKS = [
  ['k3-wise', 'sqlserver'],
  ['oracle-ebs', 'oracle'],
  ['sap-ecc', 'oracle'],
  ['u8', 'sqlserver'],
] as const

/** What only another way to an ERP hands over: a change document of SAP, which its tables do not join to. */
const OF_OTHER_WAYS = ['UDATE', 'UTIME']

const schemas = loadSchemas(CHECKOUT, EVENTS)

describe.each(PACKS)('the pack %s', (pack, engine) => {
  const readme = CHECKOUT.read(`${MAPPINGS}/${pack}/README.md`) ?? ''
  const feeds = Object.entries(feedsIn(readme))

  test('shows the settings of a feed for each of its mappings', () => {
    const all = listMappings([MAPPINGS], CHECKOUT).filter((name) => name.startsWith(`${pack}/`))
    expect([...new Set(feeds.map(([, { mapping }]) => mapping))].sort()).toEqual(all)
  })

  test.each(feeds)('%s: the settings can be read, and have the columns that they name', (_name, given) => {
    const { feed } = given
    expect(adapter.feedFaults?.(feed, null)).toEqual([])
    for (const { select } of [feed, ...feed.lines])
      if (select !== undefined) expect(selectFaults(select, engine, undefined)).toEqual([])
    for (const { columns, wanted } of namedIn(feed))
      expect(columns).toEqual(expect.arrayContaining([...wanted]))
  })

  test.each(feeds)('%s: what is selected is what the mapping reads and its examples hold', (_name, given) => {
    const { feed, mapping } = given
    const { compiled, examples } = mappingOf(mapping)
    const fields = fieldsOf(feed)
    expect(missingFields(compiled, fields).map(mistakeText)).toEqual([])
    for (const record of examples) {
      const shown = Object.entries(record).flatMap(([name, value]) =>
        Array.isArray(value)
          ? value.flatMap((row) => Object.keys(row).map((inner) => `${name}.${inner}`))
          : [name],
      )
      expect([...Object.keys(fields), ...OF_OTHER_WAYS]).toEqual(expect.arrayContaining(shown))
    }
  })
})

type Given = Readonly<{ mapping: string; feed: Feed }>

/** The feeds of a README's one YAML block, each read as the adapter reads it. */
function feedsIn(readme: string): Readonly<Record<string, Given>> {
  const [, block = ''] = /```yaml\n([\s\S]*?)```/.exec(readme) ?? []
  const written: Readonly<Record<string, Readonly<Record<string, unknown>>>> = parse(block, {
    schema: 'failsafe',
  }).feeds
  return Object.fromEntries(
    Object.entries(written).map(([name, { mapping, ...settings }]) => [
      name,
      { mapping: String(mapping), feed: adapter.feed.parse(settings) },
    ]),
  )
}

/** Columns of a feed and of its lines, with those that key, cursor and join need. */
function namedIn(feed: Feed): readonly Readonly<{ columns: readonly string[]; wanted: readonly string[] }>[] {
  const cursor = feed.cursor.strategy === 'watermark' ? feed.cursor.columns : []
  const joined = feed.lines.flatMap(({ on }) => Object.values(on))
  const header = { select: feed.select, wanted: [...feed.key, ...cursor, ...joined] }
  const lines = feed.lines.map(({ select, key, on, cursor: own }) => ({
    select,
    wanted: [...key, ...Object.keys(on), ...(own?.columns ?? [])],
  }))
  return [header, ...lines].map(({ select = '', wanted }) => ({ columns: columnsOf(select), wanted }))
}

function fieldsOf(feed: Feed): Readonly<Record<string, string>> {
  const lines = feed.lines.flatMap(({ name, select = '' }) =>
    columnsOf(select).map((column) => `${name}.${column}`),
  )
  return Object.fromEntries([...columnsOf(feed.select ?? ''), ...lines].map((field) => [field, 'text']))
}

/** The names that a SELECT gives to its columns: up to its own FROM, parted by its own commas. */
function columnsOf(select: string): readonly string[] {
  const columns: string[] = []
  let depth = 0
  let column = ''
  for (const word of select.replace(/^\s*SELECT\s/i, '').match(/[(),]|[^\s(),]+/g) ?? []) {
    if (depth === 0 && /^from$/i.test(word)) break
    if (word === '(') depth += 1
    if (word === ')') depth -= 1
    if (word === ',' && depth === 0) columns.push(column)
    column = word.replace(/^.*\./, '')
  }
  return [...columns, column]
}

type Example = Readonly<Record<string, unknown>>

function mappingOf(name: string): Readonly<{ compiled: Mapping; examples: readonly Example[] }> {
  const loaded = loadMapping(name, [MAPPINGS], CHECKOUT)
  if (loaded.kind === 'invalid') throw new Error(mistakesText(loaded.mistakes))
  const { definition } = loaded
  const isByRecord = entry(definition.written, 'company') !== null
  const companies = { 1: { name: 'Example', currency: 'CNY' } }
  const source = { system: 'x', company: isByRecord ? 'from-record' : '1', companies, zone: 'Asia/Shanghai' }
  const compiled = compileMapping(definition, schemas.entity(definition.entity), source)
  if (compiled.kind === 'invalid') throw new Error(mistakesText(compiled.mistakes))
  const tests = entry(definition.written, 'tests')
  const examples = (tests?.kind === 'list' ? tests.items.map(plain) : []) as readonly { record?: Example }[]
  return { compiled: compiled.mapping, examples: examples.flatMap(({ record }) => (record ? [record] : [])) }
}
