"""Writes the results of torchvision's Faster R-CNN, as a reference for rcnn's.

usage: export_torchvision.py MODEL OUT_DIR SHORTEST LONGEST PROPOSALS TRAIN_PROPOSALS NUM_IMAGES

SHORTEST and LONGEST: sides to which images are scaled, in pixels. PROPOSALS and TRAIN_PROPOSALS: proposals per image in
inference and in training. NUM_IMAGES: 1 to 20; fewer are the first of them.

  OUT_DIR/weights.safetensors   its state dict
  OUT_DIR/cases.safetensors     NUM_IMAGES images i of different sizes: image.i [H, W, 3] uint8; proposals.i, boxes.i,
                                scores.i, labels.i as it computes them; exact.boxes.i and so on as it computes them in
                                float64, from exact.images.i [1, 3, h, w]
  OUT_DIR/training.safetensors  a batch of two images with boxes (gt_boxes.i in the pixels of the network's input,
                                gt_labels.i) and the four losses of training mode. Every anchor that is not ignored and
                                every proposal is in the sample, so that nothing is drawn
  OUT_DIR/gradients.safetensors the same batch in float64: images, the samples (see export_gradients), the losses, and
                                grad.NAME of their sum; float32_error: how far torchvision's own float32 gradients of
                                the same samples are from these, the worst of all parameters: |difference| / |gradient|,
                                Euclidean norms

Exits with 77 when torchvision is not installed.
"""

import sys

try:
    import torch
    import torchvision
except ImportError:
    sys.exit(77)

import torchvision_models as models

MAX_IMAGES = 20
ALL = 10**7


def image_size(i):
    return 96 + 37 * i % 200, 110 + 53 * i % 230


def export_cases(model, images, prefix, dtype):
    cases, proposals, network_inputs = {}, [], []
    hooks = [
        model.rpn.register_forward_hook(lambda module, inputs, output: proposals.append(output[0][0])),
        model.transform.register_forward_hook(lambda module, inputs, output: network_inputs.append(output[0].tensors)),
    ]
    for i, image in enumerate(images):
        with torch.no_grad():
            found = model([models.to_input(image).to(dtype)])[0]
        cases[f"{prefix}proposals.{i}"] = proposals.pop()
        if dtype == torch.float64:
            cases[f"{prefix}images.{i}"] = network_inputs[-1]
        for key in ("boxes", "scores", "labels"):
            cases[f"{prefix}{key}.{i}"] = found[key]
    for hook in hooks:
        hook.remove()
    return cases


def random_targets(height, width, count, generator):
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([width * 0.6, height * 0.6])
    side = (0.15 + 0.25 * torch.rand(count, 2, generator=generator)) * torch.tensor([width, height])
    labels = torch.randint(1, 91, (count,), generator=generator)
    return {"boxes": torch.cat([corner, corner + side], 1), "labels": labels}


class Batch:
    def __init__(self, generator):
        self.images, self.targets = [], []
        for height, width, count in ((150, 200, 3), (140, 170, 2)):
            self.images.append(models.random_image(height, width, generator))
            self.targets.append(random_targets(height, width, count, generator))

    def losses(self, model, dtype):
        targets = [{"boxes": t["boxes"].to(dtype), "labels": t["labels"]} for t in self.targets]
        return model([models.to_input(p).to(dtype) for p in self.images], targets)


def export_training(model, batch):
    training = {f"image.{i}": image for i, image in enumerate(batch.images)}
    _, scaled = model.transform([models.to_input(p) for p in batch.images], batch.targets)
    for i, target in enumerate(scaled):
        training[f"gt_boxes.{i}"], training[f"gt_labels.{i}"] = target["boxes"], target["labels"]
    with torch.no_grad():
        return {**training, **batch.losses(model, torch.float32)}


class Samples:
    """Records the samples of one pass and replays them in later passes."""

    def __init__(self, model):
        self.rpn, self.head = None, None
        assign, select, transform = (model.rpn.assign_targets_to_anchors, model.roi_heads.select_training_samples,
                                     model.transform.forward)
        self.encode = model.rpn.box_coder.encode

        def assign_once(anchors, targets):
            if self.rpn is None:
                self.rpn = assign(anchors, targets)
                self.rpn_targets = self.encode(self.rpn[1], anchors)
            labels, boxes = self.rpn
            return labels, [b.to(anchors[0].dtype) for b in boxes]

        def select_once(proposals, targets):
            if self.head is None:
                self.head = select(proposals, targets)
            boxes, matched, labels, regression = self.head
            dtype = proposals[0].dtype
            return [b.to(dtype) for b in boxes], matched, labels, [r.to(dtype) for r in regression]

        def keep_images(images, targets=None):
            out = transform(images, targets)
            self.images = out[0].tensors
            return out

        model.rpn.assign_targets_to_anchors = assign_once
        model.roi_heads.select_training_samples = select_once
        model.transform.forward = keep_images


def compute_gradients(model, batch, dtype):
    model.to(dtype).zero_grad()
    losses = batch.losses(model, dtype)
    sum(losses.values()).backward()
    return losses, {name: p.grad.detach().double().clone() for name, p in model.named_parameters()}


def export_gradients(model, batch):
    samples = Samples(model)
    losses, exact = compute_gradients(model, batch, torch.float64)
    labels = torch.cat(samples.rpn[0])
    positive = (labels == 1).nonzero().squeeze(1)
    boxes, _, roi_labels, roi_targets = samples.head
    exported = {
        "images": samples.images.double(),
        "rpn.positive": positive,  # anchors of the whole batch
        "rpn.negative": (labels == 0).nonzero().squeeze(1),
        "rpn.box_targets": torch.cat(samples.rpn_targets)[positive],
        "head.rois": torch.cat([torch.cat([torch.full_like(b[:, :1], i), b], 1) for i, b in enumerate(boxes)]),
        "head.labels": torch.cat(roi_labels),
        "head.box_targets": torch.cat(roi_targets) * (torch.cat(roi_labels) > 0).unsqueeze(1),
        **losses,
    }
    exported.update({f"grad.{name}": gradient.float() for name, gradient in exact.items()})
    _, rounded = compute_gradients(model, batch, torch.float32)
    exported["float32_error"] = torch.tensor(
        max(((rounded[name] - gradient).norm() / gradient.norm()).item() for name, gradient in exact.items()))
    return exported


def main():
    name, out = sys.argv[1:3]
    shortest, longest, proposals, train_proposals, num_images = map(int, sys.argv[3:])
    torch.set_num_threads(1)
    model = models.make_model(name, vgg_fc_channels=256, min_size=shortest, max_size=longest,
                              rpn_post_nms_top_n_test=proposals, rpn_post_nms_top_n_train=train_proposals)
    models.save_safetensors(f"{out}/weights.safetensors", model.state_dict())
    generator = torch.Generator().manual_seed(2)
    # All are drawn, so that the training batch does not depend on their number.
    images = [models.random_image(*image_size(i), generator) for i in range(MAX_IMAGES)][:num_images]
    cases = export_cases(model, images, "", torch.float32)
    cases.update(export_cases(model.double(), images, "exact.", torch.float64))
    cases.update({f"image.{i}": image for i, image in enumerate(images)})
    models.save_safetensors(f"{out}/cases.safetensors", cases)
    model.float().train()
    for sampler in (model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image = ALL
    batch = Batch(generator)
    models.save_safetensors(f"{out}/training.safetensors", export_training(model, batch))
    models.save_safetensors(f"{out}/gradients.safetensors", export_gradients(model, batch))


if __name__ == "__main__":
    main()
