import { z } from 'zod'
import { defineCursor } from '../cursor.ts'

const shape = z
  .strictObject({
    delivered: z.number(),
    file: z.nullable(
      z
        .strictObject({
          name: z.string(),
          sha256: z.string(),
          records: z.number(),
          broken: z.boolean(),
        })
        .readonly(),
    ),
  })
  .readonly()

/**
 * `delivered`: how many files were read to their end; each of them has a mark with its number, so settling knows which
 * lie before a cursor. `file`: the one under way, with the records that are behind us and whether one of them could
 * not be read.
 */
export type State = z.output<typeof shape>

export const START: State = { delivered: 0, file: null }

export const codec = defineCursor({ kind: 'file-drop', version: 1, shape })
