"""A voice message, as a client of Avito sends it."""

from __future__ import annotations

import base64
import zlib
from typing import Final

# A tenth of a second of a tone, Opus in an MP4, as ffmpeg writes it.
SPEECH: Final = zlib.decompress(
    base64.b85decode(
        "c-oy-d010d7Jm^1L8++(g2;|2Yebd+`CM2;!9W24v4nyNNg$HVyo5c1LjfyNP=r!Yc9Bd`HWwC&Y${Y_5l{*!XcZa4QUXF)41E!u"
        "qBGxo-}HR<ytCYU&-tBm?jH{T097(OoJj#0Gyqr!NF>CjG^Y6;001_UStJqwNW*DFJX;jT!aUQ6Xg!}Fl+gyZ<-F&qVGl}o?C?*}"
        "-{YOIt2?2_oRxP#R!G|3G@V{mX=bMXZCr0JclsZ6f(82}Y?A305chT@x}}a5_cEf+kZ`;LD@Mkm37WTa-JakCjmg(gKP6xNWuQ=X"
        "tnsejbsA`)V{kl{d8M+pHBWK#SEraWjT`R3vrC#tA&>6%L`2^IEhRW?Af;^U93?SPI<+Bo;~^8flhf!<*-+s$`bjnRN<Xvnk8f%Z"
        "MEcxTHd{v6=hz+{UvHn|l0$o@EGwoozH>|;_sctQUPg!K=8x>+zgB2-^gPVXw{5S#T)(wh4fI}|AH4hi$bAZop6~Fa+$j!wND%7l"
        "z~~>+)eiMBR&r>m6@<^i+xNJbnPs|Ocw(y5J$@b24i?Q>SHkmMqM}5lZx`Ns>{8hFuJnw}QdJUX+f0akDZkZABi_3IkGP}pU(W`o"
        "|Ezv+vc-XKX`&xwqhbE0C~1XHQ!3uV+FNmM6YZSFjfN0`Qmm(oVc08q<or~jFFoA)?Xth$`SJ9WYToyONNJe?Lo<&$rO8q~_t1)g"
        "`$7~wc1bJvs9uKR;qFYoYpt>}veUn;TzyS<NR~f@XuG7u%T-X;=`~DhyV+5bE#eeOzpxE6b>Euc+)S7$SxTK0m3?z&8@J;uZ^QoM"
        "<@F;ISGSAQs<b(!*CX8$9?Yzu%DjaAp^s7D+vYur?GI3l?cTgKOmSS_d-BvdZ^5~`EnS^bV@PSMj#B&AR`V#;mn4M2b~hw%(;{X?"
        "Xn7oK&}2E&ZG;&_O%REis<%P{=VQ-0=Em4iW<<3oWP+W<8tuFX1~D7$otp#CMoo}TK1Idv@D{L_3wn|6u;G$K4oo~)8~otRu+2{T"
        "k)#dFPJx($e4Jd4_oV1LEwHk$-8bn*{++qb2AQxL#>SidhN<IfL+_uqytcwhXGS5?68ma@Zb+NmA2p4uFz6}pyQrQy+iRy^$i+2n"
        "QRYPI{`1<yI*s2BD?b$m*y;FQb5#){2ijMf)~TW6{}n#A!RM=pQ%zlijjp+`!d2o=^}DA}sMF>c<l{$=Eh!#p@UVbe+o#PBA-t&^"
        "51~H$)n&Zs?qY;C-l4qP>VoADum$x4Z|B0dTaU}hnrLQ8x_w$~r`$Kz=o)RxD||#rEAcx0eE#>RyrK3v*--y=2Bpb6&ouiXiS`=J"
        "nHAA*`YhP}Cbk>V4KMTv6Rqy#T=AhUoOZe8{Rb^QQ`NCtew3X4jXXHQywF*s^6F*pF(7+i)n;p3<+5nyIo!m;*pNbAHFl}%;KP(("
        "clYWPPX}f20}T0{ooW?D<^0^pDbLBW;_|L%^i8SaE7f`>H_A=K*zhequ&JW03URX*kMOG5QlrUJP`AnJ0}3(MEo$5r_l@{HEF8h9"
        "G|t|etMSQlW1pYk7L$)??$xR4$Lw@kEc4qPRlQ%n{noq5s4gS4N-5WWf%76>6QwiWb)_MO?NxZDAaPNkXd)ir=cF4x8o%ujS>8%`"
        "*bxxz5`Bs2G|JuWm0=~yIGvz_ZfCH1Z|&=@#<=9UC988iZTE-U*D_wstkVw~LNBC%&aUeAgM{Cs99;XdDg`5WaTkJ{G0MVhio1oP"
        "yod)L3xb^{MUe`ug7x3sdi^-6r{FARn{(%$TyuR)XYuBtoAWW|vhw+K_xIC-HpU3Uk;g(0qrPnu&*P=fpXB*v3p5hbsfL`C>J#D1"
        "N^)8_&+SzwdZx90Sd{bmwOb=+3ZAlHnc=JQoTs!8@3E<^VnCjPyJsI*tDTyQPL;bkOdhTjX3FlZFhDjf4eQnef0trf4)5yt_DA|<"
        "l$81khJWvh|G_630%1!^R^S-STD#j)7ciAJ^2e238h)5{G4^q*jYG4ZBijEW?II1)L`kL%*j-#`?EvpnJmnEs-O*Dk=K{%%!+Pd#"
        "HvGs3ly>DS$EjtGV#^mea6^yuv}5A0pBrCD2LLHJjll?k08nWmLB!87NsU6EFaQQf)?Wns0{R!W&HpZR9keiP7Cso#ec8bua!UP|"
        "Xklx8u>U{r4ib?KLQ<7P1=(wEKyhJKt9M})G$I8LDVj9mm$lc%006SetNDXr97LqDKJ9=E4t?!O56C7u;^{;xNpc4E9gRXKLkb+E"
        "eHL^Fan-L%WRb{g0Bz>5sG6%fObcWasF02W*&uPv8LTUl1O7+ZFaZ7uDntrIS0)Ix%Ie=906}20R%?fGsUH}s6=bu)zh(hQL+!8s"
        "nBGbP4@w=dCY6L`K1vg4FJetekRN6S$vY6&Kz#F~tb_d4lKdb$fUzc)5yUEBAd@IDSPUxlBL>*YvZO&EA&?1tzO(+*Q~Vf#z#+0F"
        "6Z4^wK1c~^t(^`uQ5K%bq^_NiF=h1$=<?VM2^=-(4+#IMlg{`MGTIci2U;eke*#daUG4"
    )
)
