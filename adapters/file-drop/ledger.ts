import { z } from 'zod'
import type { Context, Json, Mark } from '../contract.ts'
import type { FileEntry } from './transport.ts'

const DAY_MS = 86_400_000

/** After this time a file that is sent again counts as a new one. */
const KEEP_MS = 90 * DAY_MS

const fileShape = z.strictObject({
  size: z.number(),
  stamp: z.string(),
  sha256: z.string(),
  sequence: z.number(),
  fault: z.string().nullable(),
})

/**
 * What is remembered of a file that was read to its end: which bytes it had, the how-manieth it was, and why it could
 * not be read at all, if so.
 */
export type FileMark = Readonly<z.output<typeof fileShape>>

const sightShape = z.strictObject({ size: z.number(), stamp: z.string(), polls: z.number() })

/** How often in a row a file has looked like this. */
export type Sight = Readonly<z.output<typeof sightShape>>

/** What the gateway keeps for us about the files of one feed. */
export type Ledger = Readonly<{
  file(name: string): FileMark | null
  sight(name: string): Sight | null
  wasRefused(name: string): boolean
}>

export function ledgerOf(context: Context, feed: string): Ledger {
  const read = <Shape extends z.ZodType>(shape: Shape, key: string): z.output<Shape> | null => {
    const stored = shape.safeParse(context.marks.get(feed, key))
    return stored.success ? stored.data : null
  }
  return {
    file: (name) => read(fileShape, `file:${name}`),
    sight: (name) => read(sightShape, `sight:${name}`),
    wasRefused: (name) => context.marks.get(feed, `refused:${name}`) !== undefined,
  }
}

export function fileMark(name: string, value: FileMark): Mark {
  return mark(`file:${name}`, value, KEEP_MS)
}

export function sightMark(name: string, value: Sight): Mark {
  return mark(`sight:${name}`, value, DAY_MS)
}

export function refusedMark(name: string): Mark {
  return mark(`refused:${name}`, true, KEEP_MS)
}

/** Whether this is the file that was read: the same size and stamp. */
export function isSameFile(
  entry: FileEntry,
  known: Readonly<{ size: number; stamp: string }> | null,
): boolean {
  return known !== null && known.size === entry.size && known.stamp === entry.stamp
}

function mark(key: string, value: Json, keepMs: number): Mark {
  return { key, value, keepMs }
}
