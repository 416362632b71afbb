import { z } from 'zod'
import type { FeedFault } from '../contract.ts'
import { csvFormat } from '../shared/formats/csv.ts'
import { duration, integer, path, text } from '../shared/settings.ts'

const folder = z
  .strictObject({
    transport: z.literal('folder').describe('A folder of this machine, or one that is mounted on it.'),
    path: path().describe('Path of the folder; relative to the config file.'),
  })
  .describe('A local folder.')

export const connection = z.discriminatedUnion('transport', [folder])

export type Connection = z.output<typeof connection>

const finished = z
  .discriminatedUnion('by', [
    z
      .strictObject({
        by: z.literal('stable').describe('Neither size nor time has changed for a while.'),
        polls: integer({ min: 1, max: 100 }).default(2).describe('In how many polls it must look the same.'),
        age: duration().default(30_000).describe('How long ago it must have been changed.'),
      })
      .describe('The weakest way; a producer that pauses longer is read too early.'),
    z
      .strictObject({
        by: z.literal('marker').describe('A second file says that the first is whole.'),
        suffix: z
          .string()
          .regex(/^\.[A-Za-z0-9_-]+$/, { error: 'must be a suffix like .ok' })
          .describe('Name of the marker: that of the file with this behind it.'),
      })
      .describe('STOCK.csv counts once STOCK.csv.ok is there and no older.'),
    z
      .strictObject({ by: z.literal('rename').describe('The producer renames a whole file into place.') })
      .describe('Every name that is wanted is whole.'),
  ])
  .describe('How a file shows that it is written to its end.')

export const feed = z.strictObject({
  files: text()
    .regex(/^[^/\\\u0000]+$/, { error: 'must be a name with * and ?, without a path' })
    .describe('Names of the files; * is any text, ? any one character.'),
  format: z.discriminatedUnion('kind', [csvFormat]).describe('How a file is written.'),
  key: z
    .array(text())
    .min(1)
    .max(8)
    .optional()
    .describe('Columns that identify a record; without them it is the file and the number of the record.'),
  content: z
    .enum(['records', 'partial', 'full'])
    .describe(
      'records: each stands for itself. partial: new states of some. full: the state of all; a key that is missing is a deletion.',
    ),
  finished,
  cursor: z
    .strictObject({
      strategy: z.literal('files').describe('Reads each file once.'),
      order: z.enum(['name', 'time']).default('name').describe('Which of several files is read first.'),
    })
    .describe('How new files are found.'),
})

export type Feed = z.output<typeof feed>

/** What is wrong across several settings of a feed, each with the setting to blame. */
export function feedFaults(of: Feed): readonly FeedFault[] {
  if (of.content === 'records' || of.key !== undefined) return []
  return [{ path: ['key'], message: `content ${of.content} needs a key, by which a record is known again` }]
}

/** Whether a name is one of the feed's files: it fits the pattern and is no temporary name of a transfer. */
export function isWanted(feed: Feed): (name: string) => boolean {
  const pattern = new RegExp(
    `^${feed.files
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*+/g, '.*')
      .replaceAll('?', '.')}$`,
    'su',
  )
  const marker = feed.finished.by === 'marker' ? feed.finished.suffix : null
  return (name) =>
    pattern.test(name) && !isTemporary(name) && (marker === null || !name.endsWith(marker)) && isPlain(name)
}

/** Names that programs give to a file while they write it. */
function isTemporary(name: string): boolean {
  return name.startsWith('.') || name.startsWith('~') || /\.(tmp|temp|part|partial|filepart|swp)$/i.test(name)
}

/** A name and not a way: nothing that could lead out of the folder. */
function isPlain(name: string): boolean {
  return name !== '' && name !== '..' && !/[/\\\u0000]/.test(name)
}
