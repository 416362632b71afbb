import type { Gateway } from '../gateway.ts'
import type { LaneStatus } from '../lane/status.ts'
import { sanitise } from '../sanitise.ts'
import { grouped } from './figures.ts'
import type { World } from './world.ts'

const LOOK_EVERY_MS = 1_000

/** Below this many rows a run is over before anybody looks. */
const ROWS_WORTH_SHOWING = 2_000

/** Shows on a terminal how long work gets on: rows read, rate, and what is known of the rest. One line, redrawn. */
export async function followProgress(world: World, gateway: Gateway, signal: AbortSignal): Promise<void> {
  const before = new Map<string, number>()
  let isShown = false
  while (!signal.aborted) {
    try {
      await world.runtime.sleep(LOOK_EVERY_MS, signal)
      const { sources } = await gateway.status()
      const lines = sources.flatMap(({ lanes }) => lanes.flatMap((lane) => lineOf(lane, before)))
      if (lines.length > 0 || isShown) world.err(`\r\x1b[2K${lines.join('   ').slice(0, world.columns - 1)}`)
      isShown = lines.length > 0
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
  if (isShown) world.err('\r\x1b[2K')
}

function lineOf(lane: LaneStatus, before: Map<string, number>): string[] {
  const name = `${lane.source}.${lane.feed}`
  const read = lane.progress?.read ?? 0
  const rate = Math.max(0, read - (before.get(name) ?? 0)) / (LOOK_EVERY_MS / 1_000)
  before.set(name, read)
  if (read < ROWS_WORTH_SHOWING) return []
  const known = lane.rows?.live ?? 0
  const left =
    lane.phase !== 'initial' && known > read && rate > 0 ? `, ${Math.ceil((known - read) / rate)} s left` : ''
  return [`${sanitise(name)}: ${grouped(read)} rows, ${grouped(Math.round(rate))}/s${left}`]
}
