import { z } from 'zod'
import type { Batch, Context } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { Random } from '../kit/random.ts'
import type { Queue } from './toy-polls.ts'
import type { Change, World } from './world.ts'

/** How well the toy ERP behaves; changed while it runs. */
export type Moods = {
  isDown: boolean
  /** Chance of trouble at each call: an error, a slow answer, none at all. */
  troubleChance: number
  /** Chance that a page hands over an older version of one of its rows, second. */
  staleChance: number
  /** Chance that the queue holds a message once more. */
  resendChance: number
}

export const toyFeed = z.strictObject({
  table: z.string(),
  /** watermark: the newest by their stamp, with overlap. pass: the whole table each time. queue: every message once. */
  strategy: z.enum(['watermark', 'pass', 'queue']),
  overlapMs: z.int().nonnegative(),
  pageRows: z.int().positive(),
  /** What a record says of its place: the snapshot it was read in, the row's version, both or nothing. */
  tells: z.enum(['order', 'version', 'both', 'nothing']),
  canRead: z.boolean(),
  /** Whether each cursor names the page it ended with, so that no two are equal and all can be told apart. */
  countsPages: z.boolean(),
})

export type ToyFeed = z.output<typeof toyFeed>

/** What all calls of the toy share. */
export type Erp = Readonly<{
  world: World
  moods: Moods
  random: Random
  now: () => number
  overlap: (spec: ToyFeed) => number
  /** Messages that wait, by table; filled from the world's commits as they are asked for. */
  queues: Map<string, Queue>
  note: (name: string, poll: number, batch: Batch, changes: readonly Change[]) => void
}> & { polls: number; pages: number }

/** The shape that every toy table has. */
export const FIELDS = {
  key: 'text',
  number: 'text',
  status: 'text',
  amount: 'text',
  mark: 'text',
  changed: 'text',
}

/** What may happen at any call before it has an effect. */
export async function trouble({ moods, random }: Erp, context: Context, signal: AbortSignal): Promise<void> {
  const { runtime } = context
  await runtime.sleep(2 + random.below(20), signal)
  if (moods.isDown) {
    await runtime.sleep(random.below(5_000), signal)
    throw new AdapterError('ADAPTER_UNREACHABLE', 'The toy ERP is down.')
  }
  if (!random.chance(moods.troubleChance)) return
  const kind = random.float()
  if (kind < 0.3) throw new AdapterError('ADAPTER_UNREACHABLE', 'The toy ERP closed the connection.')
  if (kind < 0.5) {
    await runtime.sleep(random.below(30_000), signal)
    throw new AdapterError('ADAPTER_TIMEOUT', 'The toy ERP did not answer in time.')
  }
  if (kind < 0.6) {
    const details = { retryAfterMs: random.below(20_000) }
    throw new AdapterError('ADAPTER_THROTTLED', 'The toy ERP asks for a pause.', { details })
  }
  if (kind < 0.65) await runtime.sleep(86_400_000, signal)
  await runtime.sleep(random.below(20_000), signal)
}
