// A program of the original stack: it writes with Mongoose what it is told to, one command a line.
import { createInterface } from 'node:readline';
import mongoose from 'mongoose';

const schema = new mongoose.Schema({ title: String, completed: Boolean, order: Number, tags: [String] });
const Todo = mongoose.model('Todo', schema); // of the collection "todos"

const commands = {
  create: () => Todo.create({ title: 'created', completed: false, tags: ['a'] }),
  save: async () => {
    const todo = await Todo.findOne({ title: 'created' });
    todo.title = 'saved';
    todo.tags.push('b');
    await todo.save();
  },
  insertMany: () => Todo.insertMany([{ title: 'one' }, { title: 'two' }, { title: 'three' }]),
  updateMany: () => Todo.updateMany({ title: { $in: ['one', 'two'] } }, { $set: { completed: true }, $inc: { order: 2 } }),
  bulkWrite: () =>
    Todo.bulkWrite([
      { insertOne: { document: { title: 'bulk' } } },
      { updateOne: { filter: { title: 'three' }, update: { $set: { title: 'third' } } } },
      { replaceOne: { filter: { title: 'two' }, replacement: { title: 'second' } } },
      { deleteOne: { filter: { title: 'one' } } },
    ]),
  findOneAndUpdate: () => Todo.findOneAndUpdate({ title: 'upserted' }, { completed: true }, { upsert: true }),
  deleteMany: () => Todo.deleteMany({ title: { $in: ['second', 'third'] } }),
  deleteOne: async () => (await Todo.findOne({ title: 'saved' })).deleteOne(),
};

await mongoose.connect(process.argv[2], { autoIndex: false });
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');
tell({ event: 'connected' });
for await (const line of createInterface({ input: process.stdin })) {
  const { name } = JSON.parse(line);
  await commands[name]();
  tell({ event: 'done', name });
}
await mongoose.disconnect();
