import type { Json, SourceRecord } from '../../../adapters/contract.ts'
import { compileMapping } from '../../../gateway/mapping/compile-mapping.ts'
import { loadMapping, type MappingDefinition } from '../../../gateway/mapping/definition.ts'
import type { EntitySchema } from '../../../gateway/mapping/entity.ts'
import type { FieldType, ObjectType, ScalarType } from '../../../gateway/mapping/field-type.ts'
import type { Mapped, Mapping, MappingSource } from '../../../gateway/mapping/mapping.ts'
import { mistakesText, mistakeText } from '../../../gateway/mapping/mistake.ts'
import type { Files } from '../../../gateway/ports.ts'

/** A folder in memory. */
export function memoryFiles(texts: Readonly<Record<string, string>>): Files {
  return {
    read: (path) => texts[path] ?? null,
    list(path) {
      const names = Object.keys(texts)
        .filter((name) => name.startsWith(`${path}/`))
        .map((name) => name.slice(path.length + 1).split('/')[0] ?? '')
      return names.length === 0 ? null : [...new Set(names)].sort()
    },
  }
}

const maybe = <Type extends FieldType>(type: Type): Type => ({ ...type, nullable: true })
const scalar = (kind: ScalarType['kind']): ScalarType => ({ kind, nullable: false })
const object = (fields: Readonly<Record<string, FieldType>>): ObjectType => ({
  kind: 'object',
  fields,
  nullable: false,
})

const text = scalar('string')
const decimal = scalar('decimal')
const amount = object({ value: decimal, currency: text })
const quantity = object({ value: decimal, unit: text, raw: maybe(text) })
const code = object({ code: text, raw: maybe(text), name: maybe(text) })

/** A small entity with a field of every kind, all but the key optional. */
export const THING: EntitySchema = {
  entity: 'thing',
  version: 1,
  identity: ['company', 'key'],
  volatile: ['changedAt'],
  validate: () => [],
  fieldTypes: object({
    company: object({ code: text, name: text }),
    changedAt: maybe(scalar('date-time')),
    erpKeys: maybe(object({})),
    key: text,
    text: maybe(text),
    state: maybe({ ...text, values: ['open', 'closed'] }),
    count: maybe(scalar('integer')),
    flag: maybe(scalar('boolean')),
    day: maybe(scalar('date')),
    moment: maybe(scalar('date-time')),
    number: maybe(decimal),
    price: maybe(amount),
    amount: maybe(amount),
    stock: maybe(quantity),
    party: maybe(code),
    status: maybe(object({ code: { ...text, values: ['open', 'closed'] }, raw: maybe(text) })),
    tags: maybe({ kind: 'list', of: text, nullable: false }),
    lines: maybe({
      kind: 'list',
      nullable: false,
      of: object({
        line: text,
        net: maybe(amount),
        size: maybe(decimal),
        out: maybe(scalar('boolean')),
        due: maybe(scalar('date')),
        at: maybe(scalar('date-time')),
        note: maybe(text),
      }),
    }),
    total: maybe(amount),
    size: maybe(decimal),
    first: maybe(scalar('date')),
  }),
}

export const SOURCE: MappingSource = {
  system: 'test',
  company: '001',
  companies: { '001': { name: 'Example', currency: 'HKD' } },
  zone: 'Asia/Shanghai',
}

export const PATH = '/maps/test/thing.yaml'

/** A mapping file whose fields are given; the key is always there. */
export function thing(fields: string, rest = ''): string {
  return `entity: thing\nkey: [K]\nfields:\n  key: K\n${indent(fields)}\n${rest}`
}

function indent(lines: string): string {
  return lines
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}

/** Loads and compiles a file; answers every mistake as text. */
export function mistakesOf(yaml: string, source = SOURCE): readonly string[] {
  const loaded = loadMapping('test/thing', ['/maps'], memoryFiles({ [PATH]: yaml }))
  if (loaded.kind === 'invalid') return loaded.mistakes.map(mistakeText)
  const compiled = compileMapping(loaded.definition, THING, source)
  return compiled.kind === 'invalid' ? compiled.mistakes.map(mistakeText) : []
}

export function definitionOf(
  texts: Readonly<Record<string, string>>,
  name = 'test/thing',
): MappingDefinition {
  const loaded = loadMapping(name, ['/own', '/maps'], memoryFiles(texts))
  if (loaded.kind === 'invalid') throw new Error(mistakesText(loaded.mistakes))
  return loaded.definition
}

export function mappingOf(yaml: string, source = SOURCE, schema = THING): Mapping {
  const compiled = compileMapping(definitionOf({ [PATH]: yaml }), schema, source)
  if (compiled.kind === 'invalid') throw new Error(mistakesText(compiled.mistakes))
  return compiled.mapping
}

export function recordOf(
  data: { readonly [field: string]: Json },
  changedAt: string | null = null,
): SourceRecord {
  const fixed = {
    type: 'T',
    key: 'k',
    op: 'upsert',
    order: null,
    rowVersion: null,
    fingerprint: null,
  } as const
  return { ...fixed, changedAt, data: { K: 'k', ...data } }
}

/** One field of a mapped record; the reason, code and field of a rejected one. */
export function fieldOf(mapped: Mapped, field: string): Json {
  if (mapped.kind === 'mapped') return mapped.data[field] ?? null
  return `${mapped.code} ${mapped.field ?? ''}: ${mapped.reason}`
}

/** What a rule for one target makes of a record. */
export function apply(rule: string, data: { readonly [field: string]: Json }, rest = ''): Json {
  const field = /^(\w+):/.exec(rule)?.[1] ?? ''
  return fieldOf(mappingOf(thing(rule, rest)).map(recordOf(data)), field)
}
