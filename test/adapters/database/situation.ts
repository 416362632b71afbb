import type { TableSource } from './tables.ts'
import type { Words } from './words.ts'

/** Something that happens to tables of an ERP. */
export type Situation = Readonly<{
  name: string
  run(source: TableSource, table: string): Promise<void>
  /** Why it cannot come to pass in an engine; null where it can. */
  missing?(words: Words): string | null
}>

/** A situation that comes to pass in every engine. */
export function situation(name: string, run: Situation['run']): Situation {
  return { name, run }
}
