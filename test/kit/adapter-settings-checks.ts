import { z } from 'zod'
import type { SecretReference } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import { newConsumer, onBench } from './adapter-bench.ts'
import { failureOf } from './adapter-reading-checks.ts'
import { CANARY, createSurroundings, everythingIn } from './adapter-surroundings.ts'
import type { AdapterCheck, AdapterSubject } from './adapter-world.ts'

const NEVER = new AbortController().signal

/** Promises about an adapter's settings, its words for them and its secrets. */
export const SETTINGS_CHECKS: readonly AdapterCheck[] = [
  {
    name: 'accepts its own example',
    async run({ adapter }) {
      const faults = issuesOf(adapter.connection.safeParse(adapter.example.connection))
      for (const [name, settings] of Object.entries(adapter.example.feeds)) {
        const parsed = adapter.feed.safeParse(settings)
        faults.push(...issuesOf(parsed))
        if (!parsed.success) continue
        for (const { message } of adapter.feedFaults?.(
          parsed.data,
          adapter.connection.parse(adapter.example.connection),
        ) ?? [])
          faults.push(`feed ${name} of the example: ${message}`)
        adapter.traits(parsed.data)
      }
      return faults
    },
  },
  {
    name: 'refuses unknown settings',
    async run({ adapter }) {
      const strange = { 'no-such-setting': 'x' }
      const faults: string[] = []
      if (adapter.connection.safeParse({ ...asObject(adapter.example.connection), ...strange }).success)
        faults.push('the connection accepts a setting that does not exist')
      for (const settings of Object.values(adapter.example.feeds))
        if (adapter.feed.safeParse({ ...settings, ...strange }).success)
          faults.push('a feed accepts a setting that does not exist')
      return [...faults, ...openObjects(adapter)]
    },
  },
  {
    name: 'describes every setting',
    async run({ adapter }) {
      return schemasOf(adapter).flatMap(({ name, schema }) => undescribed(schema, name))
    },
  },
  {
    name: 'shows no secret in any log or error',
    async run(subject) {
      const { adapter } = subject
      const { context, logged } = createSurroundings({ batchRecordsMax: 3, marks: new Map() })
      const connection: unknown = adapter.connection.parse(adapter.example.connection)
      const aborts = AbortSignal.timeout(5_000)
      const connecting = async () => {
        const transport = await adapter.connect(connection, context, aborts)
        await adapter.session(transport, {}, context).close()
      }
      const error = await failureOf(connecting)
      const faults = await namedReference(subject)
      if (everythingIn(error).includes(CANARY)) faults.push('an error of connect shows a secret')
      if (logged.some((entry) => entry.includes(CANARY))) faults.push('a log entry of connect shows a secret')
      if (error !== null && !(error instanceof AdapterError) && !aborts.aborted)
        faults.push(`connect threw ${String(error)}, which is no AdapterError`)
      return faults
    },
  },
]

/** A secret that is not there is a mistake in the config, and is reported as what `context.secret` says it is. */
async function namedReference({ adapter }: AdapterSubject): Promise<string[]> {
  const { context } = createSurroundings({ batchRecordsMax: 3, marks: new Map() })
  const asked: SecretReference[] = []
  const without = {
    ...context,
    secret(reference: SecretReference): string {
      asked.push(reference)
      throw new AdapterError('ADAPTER_CONFIG_INVALID', `There is no secret ${reference}.`)
    },
  }
  const connection: unknown = adapter.connection.parse(adapter.example.connection)
  const error = await failureOf(() => adapter.connect(connection, without, AbortSignal.timeout(5_000)))
  if (asked.length === 0) return []
  const isNamed = error instanceof AdapterError && error.code === 'ADAPTER_CONFIG_INVALID'
  return isNamed ? [] : ['a secret that is not there is not reported as a mistake in the config']
}

/** Promises about a session that are not about polling. */
export const SESSION_CHECKS: readonly AdapterCheck[] = [
  {
    name: 'checks without throwing when the source is down',
    run: (subject) =>
      onBench(subject, { filled: 2 }, async (bench) => {
        const faults: string[] = []
        const up = await bench.open(newConsumer())
        const well = await up.session.check(NEVER)
        if (!well.ok) faults.push(`a source that is well does not pass: ${well.reason}`)
        await up.close()
        const down = await bench.open(newConsumer(), { at: 'all', moment: 'request' })
        const error = await failureOf(async () => {
          const answer = await down.session.check(NEVER)
          if (answer.ok) faults.push('a source that is down passes')
          else if (answer.reason === '') faults.push('a source that is down is refused without a reason')
        })
        if (error !== null) faults.push(`check threw ${String(error)}`)
        await down.close()
        return faults
      }),
  },
  {
    name: 'says who answers, and always the same',
    run: (subject) =>
      onBench(subject, { filled: 1 }, async (bench) => {
        const seen = new Set<string | null>()
        for (let times = 0; times < 2; times += 1) {
          const opened = await bench.open(newConsumer())
          seen.add(await opened.session.identity(NEVER))
          await opened.close()
        }
        return seen.size === 1 ? [] : ['two connections to one source have two identities']
      }),
  },
]

type Parsed = Readonly<{ success: boolean; error?: z.ZodError | undefined }>

function issuesOf(parsed: Parsed): string[] {
  return (parsed.error?.issues ?? []).map((issue) => `the example: ${issue.path.join('.')}: ${issue.message}`)
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

type Schema = Readonly<Record<string, unknown>>

function schemasOf(
  adapter: AdapterSubject['adapter'],
): readonly Readonly<{ name: string; schema: Schema }>[] {
  return [
    { name: 'connection', schema: z.toJSONSchema(adapter.connection, { io: 'input' }) as Schema },
    { name: 'feed', schema: z.toJSONSchema(adapter.feed, { io: 'input' }) as Schema },
  ]
}

function openObjects(adapter: AdapterSubject['adapter']): readonly string[] {
  return schemasOf(adapter).flatMap(({ name, schema }) =>
    everySchema(schema, name).flatMap(({ path, at }) =>
      at['properties'] !== undefined && at['additionalProperties'] !== false
        ? [`${path} accepts settings that do not exist`]
        : [],
    ),
  )
}

function undescribed(schema: Schema, name: string): readonly string[] {
  return everySchema(schema, name).flatMap(({ path, at }) =>
    Object.entries(asObject(at['properties'])).flatMap(([property, value]: [string, unknown]) =>
      'description' in asObject(value) ? [] : [`${path}.${property} has no description`],
    ),
  )
}

/** A schema and all that are inside it. */
function everySchema(schema: unknown, path: string): readonly Readonly<{ path: string; at: Schema }>[] {
  if (Array.isArray(schema)) return schema.flatMap((item: unknown) => everySchema(item, path))
  if (typeof schema !== 'object' || schema === null) return []
  const at = schema as Schema
  const inside = Object.entries(at).flatMap(([key, value]) => {
    if (key === 'properties')
      return Object.entries(asObject(value)).flatMap(([name, item]: [string, unknown]) =>
        everySchema(item, `${path}.${name}`),
      )
    return ['items', 'oneOf', 'anyOf', 'allOf', 'prefixItems'].includes(key) ? everySchema(value, path) : []
  })
  return [{ path, at }, ...inside]
}
