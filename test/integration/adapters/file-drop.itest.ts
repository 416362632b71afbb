import { describe } from 'vitest'
import { adapter } from '../../../adapters/file-drop/adapter.ts'
import { FOLDER_WORLDS, openTestFolder } from '../../adapters/file-drop/folders.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'

// The quick tests break off every so-manieth call; these all.
describe('the file-drop adapter, with every call broken off', () => {
  for (const { title, make } of FOLDER_WORLDS)
    testAdapter(`in a folder with ${title}`, {
      adapter,
      world: async () => make(await openTestFolder()),
    })
})
