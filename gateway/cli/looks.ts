import type { Json } from '../../adapters/contract.ts'
import { ADAPTERS } from '../../adapters/registry.ts'
import { explainConfig } from '../config/explain.ts'
import type { Config } from '../config/model.ts'
import type { GatewayStatus } from '../gateway.ts'
import { printableJson } from '../json-text.ts'
import type { Preview } from '../lane/preview.ts'
import { sanitise } from '../sanitise.ts'
import { readConfiguration } from './configuration.ts'
import { EXIT } from './failure.ts'
import { inspecting } from './inspecting.ts'
import { LANE_HEADINGS, laneRows } from './lane-rows.ts'
import { carryOut } from './lane-verbs.ts'
import { tellMissing } from './missing-fields.ts'
import { requireLane } from './names.ts'
import { textTable } from './text-table.ts'
import type { World } from './world.ts'

/** `erpgw status` */
export async function showStatus(world: World, configPath: string, asJson: boolean): Promise<number> {
  const status = (await carryOut(world, configPath, { verb: 'status' })) as unknown as GatewayStatus
  if (asJson) world.out(`${printableJson(JSON.stringify(status, null, 2))}\n`)
  else {
    const lanes = status.sources.flatMap((source) => source.lanes)
    world.out(`Gateway ${status.gateway}, running since ${status.since}\n`)
    if (status.log.trouble !== null) {
      world.out(`The log is away, and everything waits for it: ${sanitise(status.log.trouble)}\n`)
    }
    world.out('\n')
    world.out(textTable(LANE_HEADINGS, laneRows(lanes)))
    for (const source of status.sources) {
      if (source.trouble !== null) world.out(`${sanitise(source.source)}: ${sanitise(source.trouble)}\n`)
    }
    for (const { topic, partition, position, open } of status.publisher?.partitions ?? []) {
      world.out(`publisher ${topic}/${partition}: at ${position}, ${open} notices open\n`)
    }
    const trouble = status.publisher?.trouble ?? null
    if (trouble !== null) world.out(`publisher failed, and is started again: ${sanitise(trouble)}\n`)
  }
  const areSourcesWell = status.sources.every(
    ({ trouble, lanes }) => trouble === null && lanes.every(isLaneWell),
  )
  const isPublisherWell = status.publisher === null || status.publisher.trouble === null
  return status.log.trouble === null && areSourcesWell && isPublisherWell ? EXIT.ok : EXIT.failed
}

/** `erpgw explain`: the effective config, secrets as their references. */
export function explain(world: World, configPath: string): number {
  world.out(explainConfig(readConfiguration(world, configPath, false), ADAPTERS))
  return EXIT.ok
}

/** `erpgw preview SOURCE FEED`: the first records as events. Moves nothing. */
export async function preview(
  world: World,
  configPath: string,
  sourceName: string,
  feed: string,
  limit: number,
): Promise<number> {
  const configured = readConfiguration(world, configPath)
  requireLane(configured.config, sourceName, feed)
  const found = await inspecting(world, configured, sourceName, (source) =>
    source.request({ verb: 'preview', feed, limit }),
  )
  const looked = found as unknown as Preview
  printPreview(world, looked)
  if (looked.records.length === 0) {
    world.out(`Nothing is there: ${sanitise(placeOf(configured.config, sourceName, feed))}\n`)
  }
  return tellMissing(world, `${sourceName}.${feed}`, looked.missing) ? EXIT.failed : EXIT.ok
}

/** Settings of connections and feeds that say where an adapter looks. */
const PLACE_SETTINGS = ['path', 'database', 'schema', 'table', 'files']

/** Where a feed looks, in the words of the config: `path /mnt/drop, files *.csv`. */
function placeOf({ sources }: Config, sourceName: string, feed: string): string {
  const source = sources[sourceName]
  const settings = Object.entries({
    ...objectOf(source?.connection),
    ...objectOf(source?.feeds[feed]?.adapter),
  })
  const places = settings.filter(
    ([name, value]) => PLACE_SETTINGS.includes(name) && typeof value === 'string',
  )
  return places.map(([name, value]) => `${name} ${String(value)}`).join(', ')
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

function printPreview(world: World, found: Preview): void {
  const { records, fields, warnings } = found
  const count = records.length === 1 ? '1 record' : `${records.length} records`
  world.out(`${count} as erp.${found.entity}.v1; nothing was moved.\n\n`)
  const first = records[0]?.data ?? {}
  const types = Object.entries(fields).map(([name, type]) => [name, type, exampleOf(first[name])])
  if (types.length > 0) world.out(`${textTable(['FIELD', 'TYPE', 'FIRST VALUE'], types)}\n`)
  for (const { key, mapped } of records) {
    if (mapped.kind === 'mapped') {
      world.out(`${sanitise(key)} → ${sanitise(mapped.company)}/${sanitise(mapped.subject)}\n`)
      world.out(`${printableJson(JSON.stringify(mapped.data, null, 2))}\n\n`)
    } else {
      const where = mapped.field === null ? '' : ` (${mapped.field})`
      world.out(`${sanitise(key)} ✗ ${mapped.code}${sanitise(where)}: ${sanitise(mapped.reason)}\n\n`)
    }
  }
  const rejected = records.filter(({ mapped }) => mapped.kind !== 'mapped').length
  if (rejected > 0) world.out(`${rejected} of ${records.length} would be rejected.\n`)
  for (const warning of warnings) world.out(`note: ${sanitise(warning)}\n`)
}

const EXAMPLE_CHARACTERS_MAX = 40

function exampleOf(value: Json | undefined): string {
  if (value === undefined) return '–'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > EXAMPLE_CHARACTERS_MAX ? `${text.slice(0, EXAMPLE_CHARACTERS_MAX)}…` : text
}

function isLaneWell(lane: GatewayStatus['sources'][number]['lanes'][number]): boolean {
  return lane.hold === null && lane.stopped === null
}
