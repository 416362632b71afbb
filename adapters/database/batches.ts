import type { Batch, Cursor, Pass, SourceRecord, Unreadable } from '../contract.ts'

/**
 * What a page gives as batches within the limit. All but the last have the cursor of the page's beginning, so that
 * a page is read again whole unless all of it is durable.
 */
export function* batchesOf(
  page: Readonly<{
    records: readonly SourceRecord[]
    unchanged: readonly string[]
    unreadable: readonly Unreadable[]
  }>,
  options: Readonly<{
    from: Cursor
    next: Cursor
    recordsMax: number
    fields: Readonly<Record<string, string>>
    pass?: Pass
  }>,
): Generator<Batch> {
  const { from, next, recordsMax, fields, pass } = options
  const total = page.records.length + page.unreadable.length
  const isNeeded = pass?.begins || pass?.ends || page.unchanged.length > 0
  const count = Math.max(Math.ceil(total / recordsMax), isNeeded ? 1 : 0)
  for (let index = 0; index < count; index += 1) {
    const begin = index * recordsMax
    const records = page.records.slice(begin, begin + recordsMax)
    const behind = Math.max(begin - page.records.length, 0)
    const unreadable = page.unreadable.slice(behind, behind + recordsMax - records.length)
    const isLast = index === count - 1
    yield {
      records,
      unreadable,
      ...(index === 0 && page.unchanged.length > 0 ? { unchanged: page.unchanged } : {}),
      next: isLast ? next : from,
      fields,
      ...(pass && {
        pass: { id: pass.id, begins: pass.begins && index === 0, ends: pass.ends && isLast },
      }),
    }
  }
}
