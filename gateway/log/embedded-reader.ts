import type { Runtime } from '../runtime.ts'
import { checkFolder } from './embedded-folder.ts'
import { openReading } from './embedded-reading.ts'
import type { LogReader } from './reader.ts'

/** The writing process does not know its readers in others, so these look for themselves. */
const LOOK_EVERY_MS = 100

/** Opens a log beside the process that writes it. Throws LOG_FOLDER_MISSING, LOG_FOLDER_UNSAFE, LOG_FORMAT_UNKNOWN. */
export function openEmbeddedReader(
  options: Readonly<{ folder: string; runtime: Pick<Runtime, 'sleep'> }>,
): LogReader {
  const reading = openReading(checkFolder(options.folder))
  return {
    topics: async () => reading.topics().map(({ name, partitions }) => ({ name, partitions })),
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
