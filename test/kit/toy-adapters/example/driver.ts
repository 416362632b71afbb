import { open } from 'node:fs/promises'
import { AdapterError } from '../../../../adapters/errors.ts'
import type { Transport } from './adapter.ts'

/** The real file; the only place that touches the world. */
export function openLines(path: string): Transport {
  return {
    async *lines(from) {
      let line = 0
      try {
        await using file = await open(path)
        for await (const written of file.readLines()) if (line++ >= from) yield written
      } catch (error) {
        throw new AdapterError('ADAPTER_UNREACHABLE', `${path} cannot be read.`, { cause: error })
      }
    },
    close: async () => undefined,
  }
}
