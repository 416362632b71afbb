import type { Mistake } from '../mapping/mistake.ts'
import { mistakeText } from '../mapping/mistake.ts'
import { sanitise } from '../sanitise.ts'
import type { World } from './world.ts'

/** Tells what the mapping of a feed reads and its source does not have. True where there is such a thing. */
export function tellMissing(world: World, lane: string, missing: readonly Mistake[]): boolean {
  if (missing.length === 0) return false
  world.out(
    `✗ feed ${lane}: its mapping reads fields that the source does not have; mend the mapping or the table:\n`,
  )
  for (const mistake of missing) world.out(`  ${sanitise(mistakeText(mistake))}\n`)
  return true
}
