/** A store whose answers are waited for so long and no longer: metadata that say nothing are away, like those that refuse. */
import type { RelayStore } from './store.ts';

/** What was asked may be done later all the same. */
export function patientStore(store: RelayStore, timeoutMs: number): RelayStore {
  const wait = <Value>(work: Promise<Value>): Promise<Value> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The metadata do not answer: timeout')), timeoutMs);
      work.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  return {
    begin: (...given) => wait(store.begin(...given)),
    report: (...given) => wait(store.report(...given)),
    readers: (...given) => wait(store.readers(...given)),
    append: (...given) => wait(store.append(...given)),
    trim: (...given) => wait(store.trim(...given)),
    answer: (...given) => wait(store.answer(...given)),
    end: (...given) => wait(store.end(...given)),
    ask: (...given) => wait(store.ask(...given)),
    stay: (...given) => wait(store.stay(...given)),
    leave: (...given) => wait(store.leave(...given)),
    answerOf: (...given) => wait(store.answerOf(...given)),
    state: (...given) => wait(store.state(...given)),
    beginnings: (...given) => wait(store.beginnings(...given)),
    read: (...given) => wait(store.read(...given)),
    knows: (...given) => wait(store.knows(...given)),
    sweep: (...given) => wait(store.sweep(...given)),
  };
}
