import type { Runtime } from '../runtime.ts'
import { checkFolder } from './embedded-folder.ts'
import { openReading } from './embedded-reading.ts'
import type { TopicRow } from './embedded-topics.ts'
import type { TopicPartition, TopicState } from './port.ts'
import type { LogInspector } from './reader.ts'
import { compareSpec } from './topic-faults.ts'

/** The writing process does not know its readers in others, so these look for themselves. */
const LOOK_EVERY_MS = 100

/** Opens a log beside the process that writes it. Throws LOG_FOLDER_MISSING, LOG_FOLDER_UNSAFE, LOG_FORMAT_UNKNOWN. */
export function openEmbeddedReader(
  options: Readonly<{ folder: string; runtime: Pick<Runtime, 'sleep'> }>,
): LogInspector {
  const reading = openReading(checkFolder(options.folder))
  return {
    topics: async () => reading.topics().map(({ name, partitions }) => ({ name, partitions })),
    states: async (specs) => {
      const rows = reading.topics()
      return specs.flatMap((spec): TopicState[] => {
        const row = rows.find(({ name }) => name === spec.name)
        if (row === undefined) return []
        const { name, id, partitions } = row
        const isEmpty = partitionsOf(row).every((partition) => reading.end(partition) === 0)
        return [{ name, id, partitions, faults: compareSpec(row, spec, isEmpty) }]
      })
    },
    end: async (partition) => reading.end(partition),
    readTo: (partition, from, range) => reading.readTo(partition, from, range),
    position: async (group, partition) => reading.position(group, partition),
    follow(partition, from, signal) {
      const look = async () => {
        await options.runtime.sleep(LOOK_EVERY_MS, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error
        })
      }
      return reading.follow(partition, from, look, signal)
    },
    close: async () => reading.close(),
  }
}

function partitionsOf({ name, partitions }: TopicRow): readonly TopicPartition[] {
  return Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
}
