import { randomBytes } from 'node:crypto'
import { ADAPTERS } from '../../../adapters/registry.ts'
import type { ConfigTree } from '../../../gateway/config/document.ts'
import {
  branchOf,
  configJsonSchema,
  isGroup,
  type JsonSchema,
  memberOf,
} from '../../../gateway/config/json-schema.ts'
import { parseReference } from '../../../gateway/config/secret-reference.ts'

/** A secret that occurs nowhere else. `parts`: pieces of it, none of which must be seen. */
export type Canary = Readonly<{ name: string; value: string; parts: readonly string[] }>

/** Signs that are written otherwise in a URL, in JSON, in a pattern, in YAML or in SQL. */
const AWKWARD = `"'\\%/+&=?#$^.*(){}[]|<>~ -`

/** A random secret with every awkward sign in its middle. Neither end may be seen, so what was cut short shows, too. */
export function canary(name: string): Canary {
  const [head, tail] = [`c${randomBytes(9).toString('hex')}`, randomBytes(9).toString('hex')]
  return { name, value: head + AWKWARD + tail, parts: [head, tail] }
}

/** A key file: each line of it is one too many. */
export function keyCanary(name: string): Canary {
  const lines = [1, 2, 3].map(() => randomBytes(30).toString('base64'))
  const frame = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----']
  return { name, value: `${frame.join('\n')}\n`, parts: lines }
}

/** What was seen, and where. */
export type Sight = Readonly<{ place: string; text: string }>

/** `<place>: <canary>, <encoding>` of each canary that is seen, however it is written. */
export function hits(canaries: readonly Canary[], sights: readonly Sight[]): readonly string[] {
  const wanted = canaries.flatMap(({ name, parts }) =>
    parts.flatMap((part) => written(part).map(([form, text]) => ({ name, form, text }))),
  )
  return sights.flatMap(({ place, text }) => {
    const found = wanted.filter((one) => text.includes(one.text))
    const first = Map.groupBy(found, ({ name }) => name)
    return [...first].map(([name, [one]]) => `${place}: ${name}, ${one?.form ?? ''}`)
  })
}

/** The ways in which a value may be written, each with its name. Made here anew, so as not to believe the redactor. */
export function written(value: string): readonly (readonly [form: string, text: string])[] {
  const bytes = Buffer.from(value)
  const url = encodeURIComponent(value)
  const form = new URLSearchParams({ v: value }).toString().slice(2)
  const json = JSON.stringify(value).slice(1, -1)
  const base64 = [0, 1, 2].flatMap((shift): [string, string][] => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    // The first and the last signs depend on the neighbours.
    const inner = text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
    return [
      [`base64 +${shift}`, inner],
      [`base64url +${shift}`, inner.replaceAll('+', '-').replaceAll('/', '_')],
    ]
  })
  return [
    ['plain', value],
    ['in JSON', json],
    ['in JSON in JSON', JSON.stringify(json).slice(1, -1)],
    ['in a URL', url],
    ['in a URL of small letters', url.replace(/%../g, (code) => code.toLowerCase())],
    ['in a form', form],
    ['in hexadecimal', bytes.toString('hex')],
    ['in HEXADECIMAL', bytes.toString('hex').toUpperCase()],
    ...base64,
  ]
}

// ─── slots ──────────────────────────────────────────────────────────────────────────────────────

/** Every place of the config that takes a reference to a secret, from its schema: `sources.<database>.connection…`. */
export function slotsOfSchema(): readonly string[] {
  return [...new Set(slotsBelow(configJsonSchema(ADAPTERS), []))].sort()
}

function slotsBelow(schema: JsonSchema, path: readonly string[]): readonly string[] {
  if (schema.secret === true || schema.reference === true) return [path.join('.')]
  const branches = schema.properties === undefined ? [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])] : []
  const { properties = {}, additionalProperties: others, items } = schema
  const here = [...path.slice(0, -1), ...path.slice(-1).map((last) => last + kindOf(schema))]
  return [
    ...branches.flatMap((branch) => slotsBelow(branch, path)),
    ...Object.entries(properties).flatMap(([key, member]) => slotsBelow(member, [...here, key])),
    ...(typeof others === 'object' ? slotsBelow(others, [...here, '*']) : []),
    ...(items === undefined ? [] : slotsBelow(items, [...here, '[]'])),
  ]
}

/** `<postgres>`: which of several forms a group has, by the settings that can have one value only. */
function kindOf({ properties = {} }: JsonSchema): string {
  const kinds = Object.values(properties).flatMap(({ const: only }) => (only === undefined ? [] : [only]))
  return kinds.length === 0 ? '' : `<${kinds.join()}>`
}

/** The slots in which a config has a reference, with how it refers. */
export function slotsOfConfig(tree: ConfigTree): readonly Readonly<{ slot: string; from: string }>[] {
  return referencesBelow(configJsonSchema(ADAPTERS), tree.value, [])
}

function referencesBelow(
  schema: JsonSchema,
  value: unknown,
  path: readonly string[],
): readonly Readonly<{ slot: string; from: string }>[] {
  const branch = branchOf(schema, value)
  if (Array.isArray(value))
    return value.flatMap((item) => referencesBelow(branch.items ?? {}, item, [...path, '[]']))
  if (isGroup(value)) {
    const here = [...path.slice(0, -1), ...path.slice(-1).map((last) => last + kindOf(branch))]
    return Object.entries(value).flatMap(([key, member]) => {
      const name = branch.properties?.[key] === undefined ? '*' : key
      return referencesBelow(memberOf(branch, key), member, [...here, name])
    })
  }
  const reference = typeof value === 'string' ? parseReference(value) : null
  return reference === null ? [] : [{ slot: path.join('.'), from: reference.from }]
}
