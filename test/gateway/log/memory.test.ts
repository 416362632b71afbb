import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import type { CommitFault, MemoryFaults } from '../../../gateway/log/memory-faults.ts'
import type { Log } from '../../../gateway/log/port.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { type LogWorld, testLog } from '../../kit/log-contract.ts'
import { NEVER } from '../../kit/log-contract-steps.ts'

testLog('memory', makeWorld)

async function makeWorld(): Promise<LogWorld> {
  const runtime = createRuntime()
  let next: CommitFault | null = null
  let isFull = false
  const faults: MemoryFaults = {
    commit() {
      const fault = isFull ? 'refused' : next
      next = null
      return fault
    },
  }
  const disk: MemoryLog = createMemoryLog({ runtime, partitions: 3, faults })
  let open: Log[] = []
  const close = async () => {
    for (const log of open) await log.close()
    open = []
  }
  const connect = async () => {
    const log = disk.connect()
    open.push(log)
    return log
  }
  return {
    partitions: 3,
    open: connect,
    async restart(lose) {
      await close()
      next = lose === undefined ? null : lose === 'before-commit' ? 'lost-before' : 'lost-after'
      return await connect()
    },
    async fill() {
      isFull = true
      return async () => {
        isFull = false
      }
    },
    prune: async (afterMs) => void (await disk.prune(runtime.wall() + afterMs, NEVER)),
    close,
  }
}
