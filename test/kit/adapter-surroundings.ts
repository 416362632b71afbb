import { inspect } from 'node:util'
import type { Context, Json, Runtime } from '../../adapters/contract.ts'

/** What `context.secret` gives. It must never be seen again in a log entry or an error. */
export const CANARY = 'canary-6f1d0c2b9a'

/** The context that the kit gives to adapters: no network, time that stands still, secrets that are recognised. */
export type Surroundings = Readonly<{ context: Context; logged: readonly string[] }>

export function createSurroundings(
  options: Readonly<{ batchRecordsMax: number; marks: ReadonlyMap<string, Json> }>,
): Surroundings {
  const logged: string[] = []
  const log = (message: string, fields?: object) => void logged.push(`${message} ${inspect(fields)}`)
  return {
    logged,
    context: {
      runtime: createKitRuntime(),
      logger: { info: log, warn: log, error: log },
      zone: 'Asia/Shanghai',
      batchRecordsMax: options.batchRecordsMax,
      marks: { get: (feed, key) => options.marks.get(`${feed}/${key}`) },
      secret: () => CANARY,
      resolve: async () => '127.0.0.1',
    },
  }
}

/** Everything that could be printed of a value, also what lies deep inside. */
export function everythingIn(value: unknown): string {
  const shown = inspect(value, { depth: 12, showHidden: true, maxStringLength: null })
  return value instanceof Error ? `${value.message}\n${value.stack ?? ''}\n${shown}` : shown
}

/** One day in the life of the kit, 2026-03-02 08:00 UTC. Adapters never sleep: pace belongs to the gateway. */
const KIT_WALL_MS = Date.UTC(2026, 2, 2, 8)

let minted = 0

function createKitRuntime(): Runtime {
  return {
    wall: () => KIT_WALL_MS,
    mono: () => 0n,
    sleep: () => Promise.reject(new Error('An adapter must not sleep.')),
    deadline: () => new AbortController().signal,
    uuid() {
      minted += 1
      return `019c0000-0000-7000-8000-${String(minted).padStart(12, '0')}`
    },
    bytes: (length) => new Uint8Array(length),
    float: () => 0.5,
  }
}
