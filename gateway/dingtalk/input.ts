import type { Assignment, LogRecord } from '../log/port.ts'

/** The records of an input partition, one chunk ahead at most. */
export type Input = Readonly<{
  /** The next record, which `position` then covers; null when none is here yet. Throws what reading threw. */
  take(): LogRecord | null
  /** Whether the next record is here. */
  hasMore(): boolean
  /** The position after everything taken. */
  position(): number
  /** Lets the next chunk come when none is here; `arrived` is called then. */
  want(): void
  close(): void
}>

export function followInput(assignment: Assignment, from: number, arrived: () => void): Input {
  const chunks = assignment.read(from)[Symbol.asyncIterator]()
  let waiting: readonly LogRecord[] = []
  let taken = 0
  let position = from
  let chunkEnd = from
  let isReading = false
  let isOver = false
  let failure: Readonly<{ error: unknown }> | null = null
  const next = async () => {
    try {
      const step = await chunks.next()
      if (step.done === true) {
        isOver = true
        return
      }
      waiting = step.value.records
      chunkEnd = step.value.position
      taken = 0
      if (waiting.length === 0) position = chunkEnd
    } catch (error) {
      failure = { error }
    }
    isReading = false
    arrived()
  }
  return {
    take() {
      if (failure !== null) throw failure.error
      const record = waiting[taken]
      if (record === undefined) return null
      taken += 1
      position = taken === waiting.length ? chunkEnd : record.offset + 1
      return record
    },
    hasMore: () => taken < waiting.length,
    position: () => position,
    want() {
      if (isReading || isOver || failure !== null || taken < waiting.length) return
      isReading = true
      void next()
    },
    close() {
      // Not awaited: a read that waits for news ends only with its assignment.
      chunks.return?.().catch(() => undefined)
    },
  }
}
