"""Pages of people, campaigns and labeling."""

from __future__ import annotations

from django.urls import path, re_path

from annotation.views import (
    adjudication,
    assets,
    audit,
    bulk_people,
    campaign_new,
    campaigns,
    doors,
    endpoints,
    generation,
    gold,
    home,
    imports,
    items,
    label,
    money,
    people,
    practice,
    privacy,
    quality,
    types,
    webhooks,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("work/", home.my_work, name="my_work"),
    path("privacy/", privacy.privacy, name="privacy"),
    path("privacy/erase/", privacy.erase_me, name="erase_me"),
    path("privacy/my-data.json", privacy.my_data, name="my_data"),
    re_path(
        r"^privacy/(?P<slug>[a-z][a-z0-9_]{0,39})/(?P<act>grant|withdraw|erase)/$",
        privacy.act,
        name="privacy_act",
    ),
    path("preferences/", home.preferences, name="preferences"),
    path("sign-in/<str:token>/", doors.sign_in, name="sign_in_link"),
    path("join/<str:token>/", doors.join, name="join"),
    # Widgets of all feedback types; the hash in the name is the version.
    re_path(
        r"^assets/widgets\.(?P<language>[a-z-]{2,10})\.(?P<digest>[0-9a-f]{12})\.js$",
        assets.widgets_js,
        name="widgets_js",
    ),
    re_path(r"^assets/widgets\.(?P<digest>[0-9a-f]{12})\.css$", assets.widgets_css, name="widgets_css"),
    path("types/", types.types, name="types"),
    path("history/", audit.site, name="site_audit"),
    # Campaigns
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/new/", campaign_new.new, name="campaign_new"),
    path("campaigns/<slug:slug>/", campaigns.campaign, name="campaign"),
    re_path(
        r"^campaigns/(?P<slug>[-a-zA-Z0-9_]+)/state/(?P<act>open|pause|close)/$",
        campaigns.change_state,
        name="campaign_state",
    ),
    path("campaigns/<slug:slug>/questions/", campaign_new.questions, name="campaign_questions"),
    path("campaigns/<slug:slug>/questions/types/", types.choose, name="campaign_types"),
    path("campaigns/<slug:slug>/settings/", campaign_new.change, name="campaign_settings"),
    path("campaigns/<slug:slug>/history/", audit.campaign, name="campaign_audit"),
    path("campaigns/<slug:slug>/items/", items.items, name="campaign_items"),
    path("campaigns/<slug:slug>/items/import/", imports.upload, name="campaign_import"),
    path("campaigns/<slug:slug>/imports/<int:import_id>/", imports.one, name="campaign_import_one"),
    path(
        "campaigns/<slug:slug>/imports/<int:import_id>/cancel/", imports.cancel, name="campaign_import_cancel"
    ),
    path(
        "campaigns/<slug:slug>/imports/<int:import_id>/errors.jsonl",
        imports.errors,
        name="campaign_import_errors",
    ),
    path("campaigns/<slug:slug>/items/<int:item_id>/", items.item, name="campaign_item"),
    path("campaigns/<slug:slug>/items/<int:item_id>/overlap/", items.overlap, name="campaign_item_overlap"),
    path("campaigns/<slug:slug>/items/<int:item_id>/gold/", gold.make, name="campaign_item_gold"),
    path("campaigns/<slug:slug>/reports/<int:flag_id>/", items.resolve, name="campaign_flag"),
    path("campaigns/<slug:slug>/live/", generation.live, name="campaign_live"),
    path("campaigns/<slug:slug>/live/candidates/", generation.batches, name="campaign_candidates"),
    path("campaigns/<slug:slug>/review/", adjudication.queue, name="campaign_review"),
    path("campaigns/<slug:slug>/review/<int:item_id>/", adjudication.settle, name="campaign_review_item"),
    path(
        "campaigns/<slug:slug>/review/<int:item_id>/blind/",
        adjudication.answer,
        {"act": "blind"},
        name="campaign_review_blind",
    ),
    path(
        "campaigns/<slug:slug>/review/<int:item_id>/write/",
        adjudication.answer,
        {"act": "write"},
        name="campaign_review_write",
    ),
    path("campaigns/<slug:slug>/quality/", quality.quality, name="campaign_quality"),
    path("campaigns/<slug:slug>/money/", money.money, name="campaign_money"),
    path("campaigns/<slug:slug>/money/grant/", money.grant, name="campaign_grant"),
    path("campaigns/<slug:slug>/money/payouts/", money.pay, name="campaign_payouts"),
    path(
        "campaigns/<slug:slug>/money/payouts/<int:payout_id>.csv", money.payout_file, name="campaign_payout"
    ),
    path(
        "campaigns/<slug:slug>/money/payouts/<int:payout_id>/undo/", money.undo, name="campaign_payout_undo"
    ),
    path("campaigns/<slug:slug>/quality/labelers/", quality.labelers, name="campaign_labelers"),
    path("campaigns/<slug:slug>/quality/reliability/", quality.reliability, name="campaign_reliability"),
    path("campaigns/<slug:slug>/quality/leaderboard/", quality.leaderboard, name="campaign_leaderboard"),
    path("campaigns/<slug:slug>/quality/compute/", quality.compute, name="campaign_quality_compute"),
    path("campaigns/<slug:slug>/people/", people.people, name="campaign_people"),
    path("campaigns/<slug:slug>/people/bulk/", bulk_people.invite_many, name="campaign_invite_many"),
    path(
        "campaigns/<slug:slug>/people/invitations/<int:invitation_id>/revoke/",
        people.revoke_invitation,
        name="campaign_invitation_revoke",
    ),
    path(
        "campaigns/<slug:slug>/people/<int:membership_id>/",
        people.change_membership,
        name="campaign_membership",
    ),
    # Where its events are sent
    path("campaigns/<slug:slug>/webhooks/", webhooks.webhooks, name="campaign_webhooks"),
    path("campaigns/<slug:slug>/webhooks/<int:webhook_id>/", webhooks.webhook, name="campaign_webhook"),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/try/", webhooks.try_it, name="campaign_webhook_try"
    ),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/rotate/",
        webhooks.rotate,
        name="campaign_webhook_rotate",
    ),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/remove/",
        webhooks.remove,
        name="campaign_webhook_remove",
    ),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/messages/<int:delivery_id>/again/",
        webhooks.send_again,
        name="campaign_webhook_again",
    ),
    path(
        "campaigns/<slug:slug>/people/<int:membership_id>/items/",
        people.routing,
        name="campaign_routing",
    ),
    path("tokens/", people.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", people.revoke_token, name="token_revoke"),
    # Policies that somebody else serves
    path("endpoints/", endpoints.endpoints, name="endpoints"),
    path("endpoints/new/", endpoints.new, name="endpoint_new"),
    path("endpoints/<int:endpoint_id>/", endpoints.change, name="endpoint"),
    path("endpoints/<int:endpoint_id>/try/", endpoints.try_it, name="endpoint_try"),
    path("endpoints/<int:endpoint_id>/remove/", endpoints.remove, name="endpoint_remove"),
    # Labeling
    path("campaigns/<slug:slug>/guidelines/", label.guidelines_page, name="guidelines"),
    path("campaigns/<slug:slug>/label/", label.label, name="label"),
    path("campaigns/<slug:slug>/label/acknowledge/", label.acknowledge, name="label_acknowledge"),
    path("campaigns/<slug:slug>/label/practice/", practice.step, name="label_practice"),
    path("campaigns/<slug:slug>/label/next/", label.next_item, name="label_next"),
    path("campaigns/<slug:slug>/label/token/", label.token, name="label_token"),
    path("campaigns/<slug:slug>/label/undo/", label.undo, name="label_undo"),
    path("campaigns/<slug:slug>/label/undo/<uuid:submission_id>/", label.undo, name="label_change"),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/", label.submit, name="label_submit"),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/draft/", label.draft, name="label_draft"),
    path(
        "campaigns/<slug:slug>/label/<int:assignment_id>/heartbeat/", label.heartbeat, name="label_heartbeat"
    ),
    path(
        "campaigns/<slug:slug>/label/<int:assignment_id>/preview/<str:question>/",
        label.preview,
        name="label_preview",
    ),
    path(
        "campaigns/<slug:slug>/label/<int:assignment_id>/generate/<str:question>/",
        generation.generate,
        name="label_generate",
    ),
    path(
        "campaigns/<slug:slug>/label/generations/<uuid:generation_id>/stop/",
        generation.stop,
        name="label_stop",
    ),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/skip/", label.skip, name="label_skip"),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/flag/", label.flag, name="label_flag"),
]
