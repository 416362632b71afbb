import { adapter } from '../../../adapters/file-drop/adapter.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import { FOLDER_WORLDS, openTestFolder } from './folders.ts'

// Every fourth call is broken off here; test/integration breaks off each of them.
for (const { title, make } of FOLDER_WORLDS)
  testAdapter(`a folder with ${title}`, {
    adapter,
    world: async () => make(await openTestFolder()),
    every: 4,
  })
