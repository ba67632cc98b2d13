// Types of livecollections 0.1.0, over those of Backbone (@types/backbone). Node's `require` gives the class itself,
// with the names on it; a script tag leaves it as the global `LiveCollection`. See livecollections.d.mts for `import`.

import Backbone = require('backbone');

/** A Backbone.Collection that stays equal to the server's. */
declare class LiveCollection<TModel extends Backbone.Model = Backbone.Model> extends Backbone.Collection<TModel> {

    /** Connect this class, and those below it that have no connection of their own, through a Bayeux client. */
    static connect<TClient extends LiveCollection.Client>(client: TClient, options?: LiveCollection.ConnectOptions): TClient;

    /** Connect them by the URL of a Bayeux endpoint, for which Faye is needed; gives its client. */
    static connect(url: string, options?: LiveCollection.ConnectOptions): LiveCollection.FayeClient;

    /** It subscribes and reads on the microtask after its construction. */
    constructor(models?: TModel[] | Array<Record<string, any>>, options?: LiveCollection.Options<TModel>);

    /** How it stands with the server; each change of it is an event `live`. */
    readonly live: LiveCollection.State;

    /** The channel, where it is not the path of `url`. */
    channel?: string | (() => string) | undefined;

    /** The client, where it is not that of the nearest `connect`. */
    client?: LiveCollection.Client | undefined;

    /** Begin to listen again after `unlisten`. */
    listen(): this;

    /** Stop, and keep nothing: no subscription, no listener, no timer. */
    unlisten(): this;

    /** Resolved when it is live, rejected with the server's error where the subscription is refused. */
    whenLive(): Promise<this>;

    /** The event `live`: the state has changed. */
    on(eventName: 'live', callback: (collection: this, state: LiveCollection.State) => void, context?: any): this;
    on(eventName: string, callback: Backbone.EventHandler, context?: any): this;
    on(eventMap: Backbone.EventMap, context?: any): this;

    /** The next event `live` only. */
    once(events: 'live', callback: (collection: this, state: LiveCollection.State) => void, context?: any): this;
    once(events: string, callback: Backbone.EventHandler, context?: any): this;
    once(eventMap: Backbone.EventMap, context?: any): this;
}

import Self = LiveCollection;

declare namespace LiveCollection {

    /** The class again, for those who take names. */
    export { Self as LiveCollection };

    /** The version of this package. */
    export const VERSION: string;

    /** `live`: confirmed by the server and read; `stale`: it can't be kept equal; `refused`: it may not be heard. */
    export type State = 'off' | 'connecting' | 'live' | 'stale' | 'refused';

    /** What the constructor takes; a subclass may have options of its own. */
    export interface Options<TModel extends Backbone.Model = Backbone.Model> {

        /** `false` for a plain collection. */
        live?: boolean | undefined;

        /** The Bayeux client, where it is not that of the nearest `connect`. */
        client?: Client | undefined;

        /** The channel, where it is not the path of `url`. */
        channel?: string | undefined;

        /** The seq of the rows that the page was made with. */
        seq?: string | null | undefined;

        /** `false` where nothing is to be read. */
        fetch?: boolean | undefined;

        /** Backbone's own: the class of the models. */
        model?: Backbone.Collection<TModel>['model'] | undefined;

        /** Backbone's own: the order. */
        comparator?: Backbone.Collection<TModel>['comparator'] | false | undefined;

        /** Backbone's own: where the list is. */
        url?: string | (() => string) | undefined;

        /** Of a subclass. */
        [option: string]: any;
    }

    /** What `connect` takes. */
    export interface ConnectOptions {

        /** Sent with each handshake; a function is called each time (with CometD's client it must not be async). */
        token?: Token | PromiseLike<Token> | (() => Token | PromiseLike<Token>);

        /** Send cookies to another origin with the collections' requests. */
        withCredentials?: boolean | undefined;

        /** Seconds for which a subscription, or a read that the collection makes by itself, may be unanswered; 30. */
        timeout?: number | undefined;
    }

    /** What a server knows a user by; without one the handshake bears none. */
    export type Token = string | null | undefined;

    /** What the options of an event say where a push, or the reconciling with the server, has caused it. */
    export interface EventOptions extends Backbone.CollectionSetOptions {

        /** `true` where a push has caused it. */
        live?: boolean | undefined;

        /** The change's place in the server's log. */
        seq?: string | null | undefined;
    }

    /** A Bayeux client: Faye's or CometD's. */
    export interface Client {

        /** Call back with each message of a channel. */
        subscribe(channel: string, callback: (message: any) => void, ...rest: any[]): any;
    }

    /** What is used most of the client that `connect` makes of a URL; the rest is in Faye's documentation. */
    export interface FayeClient extends Client {

        /** Hear a channel; the answer can be cancelled, and awaited for the server's confirmation. */
        subscribe(channel: string, callback?: (message: any) => void, context?: any): PromiseLike<void> & { cancel(): void };

        /** Send a message to a channel. */
        publish(channel: string, message: any, options?: { deadline?: number; attempts?: number }): PromiseLike<void>;

        /** End the session. */
        disconnect(): PromiseLike<void>;

        /** Add an extension. */
        addExtension(extension: object): void;

        /** Remove an extension. */
        removeExtension(extension: object): void;

        /** Hear `transport:down` and `transport:up`. */
        bind(event: string, callback: () => void, context?: any): void;

        /** Hear it no more. */
        unbind(event: string, callback?: () => void, context?: any): void;

        /** A header for all its HTTP requests. */
        setHeader(name: string, value: string): void;
    }
}

declare module 'backbone' {

    interface Model<T extends Backbone.ObjectHash = any, S = Backbone.ModelSetOptions, E = any> {

        /** Of a live collection's model: a save has failed and the server has told no newer state since. */
        unsaved?: boolean | undefined;
    }
}

export as namespace LiveCollection;
export = LiveCollection;
