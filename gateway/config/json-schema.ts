import { z } from 'zod'
import { formatDuration } from '../../adapters/shared/settings.ts'
import { type ConfigAdapter, configSchema } from './schema.ts'

/** A JSON Schema as far as this room looks into one. */
export type JsonSchema = Readonly<{
  title?: string | undefined
  description?: string | undefined
  type?: string | readonly string[] | undefined
  const?: unknown
  enum?: readonly unknown[] | undefined
  default?: unknown
  pattern?: string | undefined
  /** Marks a reference to a secret. */
  secret?: boolean | undefined
  /** Marks a text that may be a reference. */
  reference?: boolean | undefined
  /** Marks a path that may be relative to the config. */
  path?: boolean | undefined
  properties?: Readonly<Record<string, JsonSchema>> | undefined
  additionalProperties?: JsonSchema | boolean | undefined
  items?: JsonSchema | undefined
  oneOf?: readonly JsonSchema[] | undefined
  anyOf?: readonly JsonSchema[] | undefined
}>

/**
 * JSON Schema 2020-12 of the config file, for editors: completion, descriptions, and a red line under what the gateway
 * would refuse by its form. It describes what is written, so durations are texts and defaults stand as one writes them.
 */
export function configJsonSchema(adapters: readonly ConfigAdapter[]): JsonSchema {
  const schema = z.toJSONSchema(configSchema(adapters), {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { examples } = z.globalRegistry.get(zodSchema) ?? {}
      if (Array.isArray(examples)) jsonSchema.examples = examples
      // zod leaves out a default that stands behind a transformation, as it is what the text means, not the text.
      const meant = zodSchema instanceof z.ZodDefault ? zodSchema.def.defaultValue : jsonSchema.default
      if (meant !== undefined)
        Object.assign(jsonSchema, { default: writtenDefault(meant, jsonSchema as JsonSchema) })
    },
  })
  return { title: 'erp-gateway config', ...takesNumbers(schema as JsonSchema) }
}

/** The schema of a key of a group; of one that is not known, a schema that says nothing. */
export function memberOf(schema: JsonSchema, key: string): JsonSchema {
  const own = schema.properties?.[key]
  if (own !== undefined) return own
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}
}

/** The alternative that a value was written for: by its discriminators, or by being a group or not. */
export function branchOf(schema: JsonSchema, written: unknown): JsonSchema {
  const branches = schema.properties === undefined ? (schema.oneOf ?? schema.anyOf) : undefined
  const branch = branches?.find((candidate) => fits(candidate, written))
  return branch === undefined ? schema : branchOf(branch, written)
}

function fits(schema: JsonSchema, written: unknown): boolean {
  const isForGroups = schema.properties !== undefined || typeof schema.additionalProperties === 'object'
  if (!isGroup(written)) return !isForGroups
  if (!isForGroups) return false
  return Object.entries(schema.properties ?? {}).every(
    ([key, member]) => member.const === undefined || member.const === (written[key] ?? member.default),
  )
}

export function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A default as it is written: `20s` for 20000 where a duration is meant. */
function writtenDefault(value: unknown, schema: JsonSchema): unknown {
  const { type, pattern = '' } = schema
  if (type === 'integer' && typeof value === 'string') return Number(value)
  if (typeof value !== 'number' || type === 'integer') return value
  return matches(pattern, formatDuration(value)) ? formatDuration(value) : String(value)
}

/**
 * Editors read YAML with numbers in it, where the gateway reads text: `company: 001` is a number to them. So wherever
 * a text may look like a number, a number is right too. Keys are texts for editors as well.
 */
function takesNumbers(schema: JsonSchema): JsonSchema {
  const { properties, additionalProperties, items, oneOf, anyOf } = schema
  return {
    ...schema,
    ...(looksNumeric(schema) && { type: ['string', 'number'] }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, of]) => [name, takesNumbers(of)]),
      ),
    }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: takesNumbers(additionalProperties),
    }),
    ...(items !== undefined && { items: takesNumbers(items) }),
    ...(oneOf !== undefined && { oneOf: oneOf.map(takesNumbers) }),
    ...(anyOf !== undefined && { anyOf: anyOf.map(takesNumbers) }),
  }
}

function looksNumeric(schema: JsonSchema): boolean {
  const { type, pattern } = schema
  if (type !== 'string' || schema.const !== undefined || schema.enum !== undefined) return false
  return pattern === undefined || ['0', '001', '4711'].some((digits) => matches(pattern, digits))
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(pattern, 'u').test(text)
}
