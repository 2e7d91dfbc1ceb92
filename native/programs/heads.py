# Heads read the pooled rows after the final norm, x [pooled + gates, hidden], and compute in float32. What follows
# the last linear is float64: torch vectorises most of a batch and not its rest, and the two round differently in
# float32, so a score would depend on the rows beside it.


# One linear, or linears with `activation` between them; then nothing, or what the published model applies.
class Score:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        h = x.float()
        for i in range(len(self.layers)):
            if i > 0:
                h = torch.relu(h)
            h = linear(h, self.layers[i])
        if self.output == "sigmoid":
            return torch.sigmoid(h.double()).float()
        if self.output == "second_probability":
            return torch.softmax(h.double(), 1)[:, 1:2].float()
        return h


# A score that was normalised with running statistics: (s - mean) / (sqrt(variance) + 1e-8).
class NormalizedScore:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        score = linear(x.float(), self.score_head).double()
        mean = self.constant(self.fixed_mean, x)
        variance = self.constant(self.fixed_var, x)
        if self.mean is not None:
            mean = self.mean.double()
        if self.var is not None:
            variance = self.var.double()
        if self.affine:
            score = score - mean
        return (score / (variance.sqrt() + 1e-8)).float()

    def constant(self, values: List[float], x: Tensor) -> Tensor:
        return torch.tensor(values, device=x.device).double()


# Several objectives, weighted by a network that reads the gate position (or, without gates, the pooled one):
# score = sum over objectives of gating * (rewards @ transform). ArmoRM, QRM and URM.
class GatedScore:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        rows = batch["pooled"].size(0)
        h = x[:rows].float()
        rewards = linear(h, self.regression)
        if self.quantiles > 1:
            rewards = rewards.view(rows, -1, self.quantiles).double().mean(2).float()
        adjusted = rewards
        if self.transform is not None:
            adjusted = linear(rewards, self.transform)
        gating = self.gating(x[rows:].float() if batch["gates"].size(0) > 0 else h)
        batch["out.rewards"] = adjusted if self.adjusted_rewards else rewards
        batch["out.gating"] = gating
        return (gating.double() * adjusted.double()).sum(1, keepdim=True).float()

    def gating(self, g: Tensor) -> Tensor:
        if self.gating_layers is None:
            g = torch.tensor(self.fixed_gating, device=g.device).expand(g.size(0), -1)
        else:
            for i in range(len(self.gating_layers)):
                if i > 0:
                    g = torch.selu(g.double()).float() if self.activation == "selu" else torch.relu(g)
                    if self.gating_norms is not None:
                        g = self.batch_norm(g, self.gating_norms[4 * i - 4], self.gating_norms[4 * i - 3],
                                            self.gating_norms[4 * i - 2], self.gating_norms[4 * i - 1])
                g = linear(g, self.gating_layers[i])
        if self.logit_scale is not None:
            g = (torch.softmax(g.double() / self.temperature, 1) * self.logit_scale.double()).float()
        return g

    def batch_norm(self, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return (x - mean) * torch.rsqrt(variance + 1e-5) * weight + bias


# Of encoders: a linear with an activation, a norm in ModernBERT, and another linear.
class Classifier:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        h = activation(linear(x.float(), self.dense), self.activation)
        if self.norm is not None:
            h = layer_norm(h, self.norm, self.norm_bias, self.eps)
        return linear(h, self.out)
