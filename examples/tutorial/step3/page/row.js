var Row = Backbone.View.extend({
  tagName: 'li',
  events: { click: 'toggle' },

  initialize: function () {
    this.listenTo(this.model, 'change', this.render);
    this.listenTo(this.model, 'remove', this.remove);
  },

  render: function () {
    this.$el.text(this.model.get('name')).toggleClass('bought', !!this.model.get('bought'));
    return this;
  },

  toggle: function () {
    this.model.save({ bought: !this.model.get('bought') }, { patch: true });
  }
});
