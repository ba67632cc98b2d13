// A client of the generated types: what it says compiles, and what is wrong does not.
import type { components, paths } from './api';

type Todo = components['schemas']['Todo'];
type Created = components['schemas']['TodoCreate'];
type Listed = paths['/api/todos']['get']['responses'][200]['content']['application/json'];
type Problem = paths['/api/todos']['post']['responses'][422]['content']['application/problem+json'];

export const sent: Created = { title: 'milk' };
export const shown: Todo = { id: 1, title: 'milk', completed: false, order: null };
export const listed: Listed = [shown];
export const pointers = (problem: Problem): string[] => (problem.errors ?? []).map((each) => each.pointer);
export const colour: components['schemas']['Everything']['colour'] = 'red';

// @ts-expect-error: a title is a text.
export const wrong: Created = { title: 7 };
// @ts-expect-error: there is no such colour.
export const none: components['schemas']['Everything']['colour'] = 'green';
// @ts-expect-error: there is no such path.
export type Nowhere = paths['/api/nothing'];
